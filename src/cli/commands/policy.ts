import type { Command } from "commander";
import { cleanLine, cleanLines } from "../clean.ts";
import { Quietly, exitCodes, usage } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import type { ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Answer, Page, Terminal } from "../terminal.ts";
import { addOfflinePolicy } from "./policy-offline.ts";
import type { Problem } from "./policy-problem.ts";
import { problemLine } from "./policy-problem.ts";
import { readSources } from "./policy-sources.ts";

interface Version {
  readonly digest: string;
  readonly firstLoadedAt: string;
}

interface Source {
  readonly name: string;
  readonly text: string;
}

interface InForce {
  readonly version: Version | null;
  readonly since: string | null;
  readonly origin: "file" | "api";
  readonly sources: readonly Source[];
  readonly inForce: readonly { readonly id: string }[];
  readonly trouble: readonly Problem[] | null;
  readonly warnings: readonly Problem[];
}

interface Explained {
  readonly effect: "allow" | "deny" | "approve";
  readonly why: string;
  readonly reasons: readonly { readonly id: string; readonly text: string }[];
  readonly errors: readonly string[];
}

interface ForceOption {
  readonly force?: boolean;
}

const forceText = "also when you could not set policies any more afterwards";
const forced = (force: boolean | undefined): ForceOption => (force === true ? { force } : {});

interface ExplainOptions {
  readonly agent?: string;
  readonly person?: string;
  readonly service?: string;
  readonly tool?: string;
  readonly resource?: string;
  readonly prompt?: string;
  readonly action?: string;
  readonly args?: string;
}

export function policyCommand(program: Command, terminal: Terminal): void {
  const policy = noun(program, "policy", "Who may do what, in Cedar; what no policy permits is denied");
  addOfflinePolicy(policy, terminal);

  apiVerb(policy, {
    usage: "show",
    summary: "Show the policies in force, and what is wrong with them",
    example: "signalbox policy show",
  }).action(
    run(terminal, async (session) => {
      const found = await session.api().get<InForce>("/policies");
      session.print({ json: found, human: (page) => inForceText(found, page) });
    }),
  );

  apiVerb(policy, {
    usage: "versions",
    summary: "List the versions that were ever in force",
    example: "signalbox policy versions",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session
          .api()
          .list<Listed>("/policies/versions", limitOf(options.limit), {}, versionsPerPage);
        session.print(listed(found, columns, "No policies were ever set: the default of this mode holds."));
      }),
    );

  apiVerb(policy, {
    usage: "set <files...>",
    summary: "Put these policy files in force, together and instead of what was",
    notes: "They are checked first; with any error nothing changes, and all errors are named.",
    example: "signalbox policy set policies/*.cedar",
  })
    .option("--force", forceText)
    .action(
      run(terminal, async (session, files: readonly string[], { force }: ForceOption) => {
        const sources = readSources(files, terminal.environment);
        const answer = await session.api().put<Activated>("/policies", { sources, ...forced(force) });
        session.print(activated(answer));
      }),
    );

  apiVerb(policy, {
    usage: "activate <digest>",
    summary: "Go back, or forward, to a version that is known",
    example: "signalbox policy activate 5d41402abc4b2a76…",
  })
    .option("--force", forceText)
    .action(
      run(terminal, async (session, digest: string, { force }: ForceOption) => {
        const body = { digest, ...forced(force) };
        session.print(activated(await session.api().post<Activated>("/policies/activate", body)));
      }),
    );

  apiVerb(policy, {
    usage: "explain",
    summary: "Say what policy would decide about a call, and why",
    notes:
      "Nothing is called and nothing recorded. Fails with exit code 3 when it is denied, so that it can stand in a test.",
    example: `signalbox policy explain --agent invoicer --tool bank__transfer --args '{"amount": 500}'`,
  })
    .option("--agent <name>", "who asks: this agent")
    .option("--person <name>", "who asks: this person")
    .option("--service <name>", "who asks: this service")
    .option("--tool <tool>", "the tool, as agents call it or as <server>/<name>")
    .option("--resource <uri>", "instead of a tool: a resource, by URI or as <server>/<URI>")
    .option("--prompt <prompt>", "instead of a tool: a prompt, as clients call it or as <server>/<name>")
    .option("--args <json>", "arguments of the call")
    .option("--action <action>", "read, get, subscribe or complete; without any of these admin.<noun>.<verb>")
    .action(
      run(terminal, async (session, options: ExplainOptions) => {
        const { tool, resource, prompt, action, args } = options;
        const found = await session.api().post<Explained>("/policies/explain", {
          ...asker(options),
          ...(tool === undefined ? {} : { tool }),
          ...(resource === undefined ? {} : { resource }),
          ...(prompt === undefined ? {} : { prompt }),
          ...(action === undefined ? {} : { action }),
          ...(args === undefined ? {} : { arguments: argumentsOf(args) }),
        });
        session.print(explained(found));
        if (found.effect === "deny") throw new Quietly(exitCodes.refused);
      }),
    );
}

function asker(options: ExplainOptions): { readonly principal: string; readonly kind: string } {
  const said = (["agent", "person", "service"] as const).flatMap((kind) => {
    const principal = options[kind];
    return principal === undefined ? [] : [{ principal, kind }];
  });
  const [one, another] = said;
  if (one === undefined || another !== undefined)
    throw usage("Say who asks: one of --agent, --person and --service.");
  return one;
}

const explained = (found: Explained): Answer =>
  shown(found, [
    ["decision", found.effect, colourOfState(found.effect)],
    ["why", found.why],
    ...found.reasons.map(({ id, text }) => [`policy ${id}`, text] as const),
    ["errors", found.errors.length === 0 ? null : found.errors.join("\n"), "red"],
  ]);

/** The node reads each version whole, texts and all. */
const versionsPerPage = 50;

interface Listed extends Version {
  readonly sources: readonly string[];
  readonly isActive: boolean;
}

const columns = [
  { title: "digest", of: (each: Listed) => each.digest, keep: true },
  { title: "in force", of: (each: Listed) => (each.isActive ? "now" : ""), colour: () => "green" as const },
  { title: "first", of: (each: Listed) => instantText(each.firstLoadedAt) },
  { title: "files", of: (each: Listed) => each.sources.join(", ") },
];

interface Activated {
  readonly version: Version;
  readonly warnings: readonly Problem[];
  readonly receipt: ReceiptReference;
}

const activated = (answer: Activated) =>
  done(
    answer,
    `In force: ${answer.version.digest}.`,
    answer.warnings.map((warning) => ["warning", problemLine(warning), "yellow"] as const),
  );

function inForceText(
  { version, since, origin, sources, inForce, trouble, warnings }: InForce,
  { paint }: Page,
): string {
  const head =
    version === null
      ? trouble === null
        ? paint("dim", "No policies were set: the default of this mode holds.")
        : paint(
            "red",
            `Policies were set and refused, and none were good before. In force: ${inForce.map(({ id }) => cleanLine(id)).join(", ")}.`,
          )
      : paint(
          "dim",
          `${version.digest}, since ${instantText(since) ?? ""}, from ${origin === "file" ? "the configuration's files" : "the API"}`,
        );
  return [
    head,
    ...(trouble ?? []).map((problem) => paint("red", problemLine(problem))),
    ...warnings.map((problem) => paint("yellow", problemLine(problem))),
    ...sources.flatMap(({ name, text }) => [
      "",
      paint("bold", `── ${cleanLines(name)}`),
      cleanLines(text).trimEnd(),
    ]),
  ].join("\n");
}

function argumentsOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw usage("--args is not a JSON object.");
}
