import type { DevServer } from "../app/index.ts";
import { version } from "../app/command-line.ts";
import { cleanLine } from "./clean.ts";
import { colourOfState } from "./paint.ts";
import type { Snippet } from "./snippets.ts";
import type { Field } from "./show.ts";
import { fieldsText } from "./table.ts";
import type { Page } from "./terminal.ts";

export interface Banner {
  readonly mcpUrl: string;
  /** null = there is none to show; `tokenNote` says why. */
  readonly token: string | null;
  readonly tokenNote: string;
  /** Whether clients may be connected by signing in with the token, which is a key. */
  readonly signsIn: boolean;
  readonly servers: readonly DevServer[];
  readonly data: string;
  readonly log: string | null; // null = standard error
  readonly notes: readonly string[];
  readonly snippets: readonly Snippet[];
  /** How this command line is called from here. */
  readonly program: string;
  /** The data directory, where the command line does not find it by itself; null = it does. */
  readonly elsewhere: string | null;
}

/** What whoever has just started a node needs next, in the order in which they need it. */
export function bannerText(banner: Banner, page: Page): string {
  const { paint } = page;
  const { mcpUrl, token, tokenNote, signsIn, servers, data, log, notes, snippets, program } = banner;
  const at = banner.elsewhere === null ? "" : ` --data ${banner.elsewhere}`;
  const called = (verb: string): string => `${program} ${verb}${at}`;
  const fields: Field[] = [
    ["MCP", mcpUrl, "bold"],
    ["token", token === null ? tokenNote : `${token}  (${tokenNote})`],
    ...(servers.length === 0
      ? [["servers", `none yet: ${called("servers add")}, or ${called("import")}`] as const]
      : servers.map((server, at): Field => [
          at === 0 ? "servers" : "",
          serverText(server),
          colourOfState(server.state),
        ])),
    ["data", data],
    ["log", log ?? "standard error"],
  ];
  return [
    `${paint("bold", "Signalbox")} ${version} is running.`,
    "",
    indented(fieldsText(fields, paint)),
    ...(notes.length === 0 ? [] : ["", ...notes.map((note) => `  • ${cleanLine(note)}`)]),
    "",
    signsIn && token !== null
      ? "Connect a client. Or give it the address alone, and sign in with the token in the browser that it opens:"
      : "Connect a client:",
    ...snippets.flatMap(({ client, place, text }) => [
      "",
      `  ${paint("cyan", client)}${place === null ? "" : paint("dim", `  ${place}`)}`,
      indented(indented(text)),
    ]),
    "",
    `In another terminal: ${["status", "tools ls", "calls ls"].map(called).join(", ")}. Ctrl-C stops the node.`,
    "",
  ].join("\n");
}

const serverText = ({ name, state, reason, tools }: DevServer): string =>
  state === "healthy"
    ? `${name}: ${tools} ${tools === 1 ? "tool" : "tools"}`
    : `${name}: ${state}${reason === null ? "" : `, ${reason}`}`;

const indented = (text: string): string => text.replace(/^(?=.)/gm, "  ");
