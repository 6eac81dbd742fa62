import type { Command } from "commander";
import { api } from "../client.ts";
import { apiVerb, limitOf, limitOption, run } from "../session.ts";
import { instantText, listed } from "../show.ts";
import type { Terminal } from "../terminal.ts";

export type Transport =
  | { readonly kind: "stdio"; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: "http"; readonly url: string };

/** As `/servers/{server}/versions` answers. */
interface Version {
  readonly version: number;
  readonly change: "added" | "changed" | "removed";
  readonly origin: "file" | "api";
  readonly settings: { readonly name: string; readonly enabled: boolean; readonly transport: Transport };
  readonly at: string;
}

export function serverVersionsVerb(servers: Command, terminal: Terminal): void {
  apiVerb(servers, {
    usage: "versions <server>",
    summary: "List the settings a server had, newest first; --json has all of them",
    example: "signalbox servers versions files",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, name: string, options: { limit: string }) => {
        const found = await session
          .api()
          .list<Version>(api`/servers/${name}/versions`, limitOf(options.limit));
        session.print(listed(found, columns, "It has no versions."));
      }),
    );
}

export const reachedBy = (transport: Transport): string =>
  transport.kind === "http" ? transport.url : [transport.command, ...transport.args].join(" ");

const columns = [
  { title: "version", of: ({ version }: Version) => String(version), keep: true },
  { title: "at", of: ({ at }: Version) => instantText(at), keep: true },
  { title: "was", of: ({ change }: Version) => change, keep: true },
  { title: "by", of: ({ origin }: Version) => (origin === "file" ? "the file" : "the API") },
  { title: "name", of: ({ settings }: Version) => settings.name },
  { title: "enabled", of: ({ settings }: Version) => (settings.enabled ? "yes" : "no") },
  { title: "reached by", of: ({ settings }: Version) => reachedBy(settings.transport) },
];
