import type { Command } from "commander";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import { listed } from "../show.ts";
import type { Terminal } from "../terminal.ts";

interface Offered {
  readonly id: string;
  readonly server: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly callable: boolean;
  readonly why: string | null;
}

/** As `/resources` answers. */
interface Resource extends Offered {
  readonly uri: string;
  readonly kind: "resource" | "template" | "skill";
  readonly name: string;
  readonly mimeType: string | null;
}

/** As `/prompts` answers. */
interface Prompt extends Offered {
  readonly name: string;
}

/** `signalbox resources` and `signalbox prompts`: what servers offer besides tools. */
export function offeredCommands(program: Command, terminal: Terminal): void {
  const resources = noun(
    program,
    "resources",
    "What clients can read: resources, URI templates and skills of servers",
  );
  apiVerb(resources, {
    usage: "ls",
    summary: "List the resources, templates and skills that servers offer",
    example: "signalbox resources ls --server files",
  })
    .option("--server <server>", "only this server's")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; server?: string }) => {
        const { limit, server } = options;
        const found = await session.api().list<Resource>("/resources", limitOf(limit), { server });
        session.print(listed(found, resourceColumns, "No server offers resources."));
      }),
    );

  const prompts = noun(program, "prompts", "The prompts that servers offer to people");
  apiVerb(prompts, {
    usage: "ls",
    summary: "List the prompts that servers offer",
    example: "signalbox prompts ls",
  })
    .option("--server <server>", "only this server's")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; server?: string }) => {
        const { limit, server } = options;
        const found = await session.api().list<Prompt>("/prompts", limitOf(limit), { server });
        session.print(listed(found, promptColumns, "No server offers prompts."));
      }),
    );
}

const callable = {
  title: "callable",
  of: (each: Offered) => (each.callable ? "yes" : "no"),
  colour: (each: Offered) => (each.callable ? ("plain" as const) : ("yellow" as const)),
};

const about = (each: Offered): string => each.why ?? each.title ?? each.description ?? "";

const resourceColumns = [
  { title: "uri", of: (each: Resource) => each.uri, keep: true },
  { title: "kind", of: (each: Resource) => each.kind },
  { title: "server", of: (each: Resource) => each.server },
  callable,
  { title: "description", of: about },
];

const promptColumns = [
  { title: "name", of: (each: Prompt) => each.name, keep: true },
  { title: "server", of: (each: Prompt) => each.server },
  callable,
  { title: "description", of: about },
];
