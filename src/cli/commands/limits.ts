import type { Command } from "commander";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { Stop, usage } from "../exit.ts";
import { apiVerb, collect, limitOf, limitOption, noun, run, wholeOf } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";

interface Wishes {
  readonly perPrincipalCallsMax: number;
  readonly tenantCallsMax: number | null;
  readonly agents: Readonly<Record<string, number>>;
}

interface Limits extends Wishes {
  readonly version: number;
  readonly origin: "default" | "file" | "api";
  readonly since: string | null;
}

interface SetOptions {
  readonly perPrincipal?: string;
  readonly together?: string;
  readonly agent?: readonly string[];
}

/** As the API has it. */
const callsMax = 100_000;

export function limitsCommand(program: Command, terminal: Terminal): void {
  const limits = noun(program, "limits", "How many calls callers may have under way at once, on each node");

  apiVerb(limits, {
    usage: "show",
    summary: "Show the limits in force, and who has set them",
    example: "signalbox limits show",
  }).action(
    run(terminal, async (session) => {
      const found = await session.api().get<Limits>("/limits");
      session.print(shown(found, fieldsOf(found)));
    }),
  );

  apiVerb(limits, {
    usage: "set",
    summary: "Change what is named and leave the rest; all nodes follow within about a second",
    notes:
      "Calls that wait are let in where there is room now; those under way go on. Limits that the configuration file has are changed there.",
    example: "signalbox limits set --per-principal 50 --agent invoicer=5",
  })
    .option("--per-principal <calls>", "of each agent, person or service without a limit of its own")
    .option("--together <calls>", "of all of the tenant's principals together; `none` = what the node bears")
    .option("--agent <name=calls>", "of one agent; `none` = as everybody; repeatable", collect)
    .action(
      run(terminal, async (session, options: SetOptions) => {
        if (Object.keys(options).length === 0)
          throw usage(
            "Nothing is named that is to change.",
            "signalbox limits set --help lists what can be.",
          );
        const client = session.api();
        const { version, ...before } = await client.get<Limits>("/limits");
        const answer = await client.put<{ limits: Limits; receipt: ReceiptReference }>("/limits", {
          ...changed(before, options),
          replaces: version,
        });
        for (const name of Object.keys(answer.limits.agents)) {
          if (!Object.hasOwn(before.agents, name) && !(await isThere(client, name)))
            session.output.warn(`There is no agent "${name}" yet.`);
        }
        session.print(
          done(
            answer,
            `Version ${answer.limits.version} of the limits is in force.`,
            fieldsOf(answer.limits),
          ),
        );
      }),
    );

  apiVerb(limits, {
    usage: "versions",
    summary: "List the limits that were ever in force, newest first",
    example: "signalbox limits versions",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session.api().list<Limits>("/limits/versions", limitOf(options.limit));
        session.print(listed(found, columns, "None were ever set: the defaults hold."));
      }),
    );
}

/** Whoever sets limits may not be allowed to see agents: then nothing is said. */
async function isThere(client: Client, name: string): Promise<boolean> {
  try {
    await client.get(api`/agents/${name}`);
    return true;
  } catch (thrown) {
    return !(thrown instanceof Stop && thrown.code === "not-found");
  }
}

function changed({ perPrincipalCallsMax, tenantCallsMax, agents }: Wishes, options: SetOptions): Wishes {
  const own = new Map(Object.entries(agents));
  for (const said of options.agent ?? []) {
    const at = said.lastIndexOf("=");
    const name = said.slice(0, at);
    if (at < 1) throw usage(`--agent ${said} is not <name>=<calls>.`);
    const max = callsOf("--agent", said.slice(at + 1));
    if (max === null) own.delete(name);
    else own.set(name, max);
  }
  return {
    perPrincipalCallsMax:
      options.perPrincipal === undefined
        ? perPrincipalCallsMax
        : wholeOf("--per-principal", options.perPrincipal, 1, callsMax),
    tenantCallsMax: options.together === undefined ? tenantCallsMax : callsOf("--together", options.together),
    agents: Object.fromEntries(own),
  };
}

const callsOf = (option: string, text: string): number | null =>
  text === "none" ? null : wholeOf(option, text, 1, callsMax);

const originText = {
  default: "nobody: these are the defaults",
  file: "the configuration file",
  api: "an administrator",
} as const;

const atOnce = (calls: number): string => `${calls === 1 ? "one call" : `${calls} calls`} at once`;

const fieldsOf = (limits: Limits): readonly Field[] => [
  ["each principal", atOnce(limits.perPrincipalCallsMax)],
  ["all together", limits.tenantCallsMax === null ? null : atOnce(limits.tenantCallsMax)],
  ["agents", agentsText(limits)],
  ["set by", originText[limits.origin]],
  ["since", instantText(limits.since)],
  ["version", String(limits.version)],
];

const agentsText = ({ agents }: Wishes): string | null =>
  Object.keys(agents).length === 0
    ? null
    : Object.entries(agents)
        .map(([name, max]) => `${name} ${max}`)
        .join(", ");

const columns = [
  { title: "version", of: (limits: Limits) => String(limits.version), keep: true },
  { title: "since", of: (limits: Limits) => instantText(limits.since) },
  { title: "set by", of: (limits: Limits) => limits.origin },
  { title: "each", of: (limits: Limits) => String(limits.perPrincipalCallsMax) },
  { title: "together", of: (limits: Limits) => limits.tenantCallsMax?.toString() ?? null },
  { title: "agents", of: agentsText },
];
