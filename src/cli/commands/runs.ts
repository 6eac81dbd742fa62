import type { Command } from "commander";
import { api } from "../client.ts";
import { usage } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run, wholeOf } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import { tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { endFields, endOf, lastErrorOf } from "./run-end.ts";
import { runId } from "./run-id.ts";
import { deadlineSecondsMax, runRetryVerbs } from "./run-retry.ts";
import type { Run, RunStep } from "./run-shape.ts";
import { deadText, inWords, runStates, stepColumns, waitText } from "./run-shape.ts";
import { addRunsReview } from "./runs-review.ts";
import { tailRun } from "./run-tail.ts";
import { nameFinder } from "./who.ts";

export function runsCommand(program: Command, terminal: Terminal): void {
  const runs = noun(program, "runs", "What agents work on over longer, step by step");

  apiVerb(runs, {
    usage: "ls",
    summary: "List runs, newest first",
    example: "signalbox runs ls --state open",
  })
    .option("--state <state>", "only open, review, finished, failed, cancelled or dead")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; state?: string }) => {
        const state = options.state === undefined ? undefined : oneOf("--state", options.state, runStates);
        const found = await session.api().list<Run>("/runs", limitOf(options.limit), { state });
        const who = await nameFinder(
          session,
          found.items.map(({ principals }) => principals),
        );
        session.print(
          listed(found, runColumns(who), `There is no ${state === undefined ? "" : `${state} `}run.`),
        );
      }),
    );

  apiVerb(runs, {
    usage: "show <run>",
    summary: "Show a run: how it stands, what it waits for, and its steps in order",
    notes: "By its id, or by its name where only one run has it.",
    example: "signalbox runs show invoice-2026-0417 --payload",
  })
    .option(
      "--payload",
      "its result, or why it has none, or what its agent said when it was last lost; that you looked is recorded",
    )
    .addOption(limitOption())
    .action(
      run(terminal, async (session, given: string, options: { limit: string; payload?: boolean }) => {
        const client = session.api();
        const id = await runId(client, given);
        const found = await client.get<Run>(api`/runs/${id}`);
        const steps = await client.list<RunStep>(api`/runs/${id}/steps`, limitOf(options.limit));
        const children =
          found.children === 0
            ? []
            : (await client.list<Run>(api`/runs/${id}/children`, limitOf(options.limit))).items;
        const who = await nameFinder(session, [found.principals]);
        const end = options.payload === true ? await endOf(client, found) : null;
        const lastError = options.payload === true ? await lastErrorOf(client, found) : null;
        const { human } = shown(found, [
          ...runFields(found, who),
          ...endFields(end),
          ["last error", lastError, "red"],
        ]);
        session.print({
          json: {
            ...found,
            steps: steps.items,
            next: steps.next,
            childRuns: children,
            ...(end === null ? {} : { end }),
            ...(lastError === null ? {} : { lastError }),
          },
          human: (page) => {
            const rows =
              steps.items.length === 0
                ? "No step is on record yet."
                : tableText(stepColumns, steps.items, page);
            const more = steps.next === null ? "" : `\n${page.paint("dim", "There are more steps: --limit")}`;
            const family = children.length === 0 ? "" : `\n\n${tableText(childColumns, children, page)}`;
            return `${human(page)}\n\n${rows}${more}${family}`;
          },
        });
      }),
    );

  apiVerb(runs, {
    usage: "tail <run>",
    summary: "Follow a run: its steps as they come, until it ends",
    notes:
      "One line a step; with --json one document a line. Ends with 1 when the run failed or was cancelled.",
    example: "signalbox runs tail invoice-2026-0417",
  }).action(
    run(terminal, async (session, given: string) => {
      await tailRun(session, await runId(session.api(), given));
    }),
  );

  addRunsReview(runs, terminal);

  apiVerb(runs, {
    usage: "start <agent>",
    summary: "Start a run of a hosted agent",
    notes:
      "The agent stands under `agents` in the configuration. A name that it has a run of already is refused.",
    example: `signalbox runs start clerk --name invoice-2026-0417 --input '{"invoice": "2026-0417"}'`,
  })
    .option("--input <json>", "what the agent is given", "null")
    .option("--name <name>", "what the run is called; left out, one is made up")
    .option("--deadline <seconds>", "the run fails when it is still open then")
    .action(
      run(terminal, async (session, agent: string, options: StartOptions) => {
        const body = {
          input: jsonOf("--input", options.input),
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(options.deadline === undefined
            ? {}
            : { deadlineMs: 1_000 * wholeOf("--deadline", options.deadline, 1, deadlineSecondsMax) }),
        };
        const answer = await session
          .api()
          .post<{ run: string; name: string; receipt: ReceiptReference }>(api`/agents/${agent}/runs`, body);
        session.print(done(answer, `Started ${answer.name}.`));
      }),
    );

  apiVerb(runs, {
    usage: "fork <run>",
    summary: "Go on from the steps of a run, in a new one",
    notes:
      "Steps before --from are given back as they are on record, the others are done anew, with their effects. The run itself stays as it is: also another try for one that has failed.",
    example: "signalbox runs fork invoice-2026-0417 --from book --latest",
  })
    .option("--from <step>", "the first step that is done anew; left out, all that is on record is kept")
    .option("--name <name>", "what the new run is called; left out, one is made up")
    .option("--latest", "of a hosted agent: driven by its version for new runs")
    .action(
      run(terminal, async (session, given: string, options: ForkOptions) => {
        const { from, name, latest } = options;
        const client = session.api();
        const body = {
          ...(from === undefined ? {} : { from }),
          ...(name === undefined ? {} : { name }),
          ...(latest === true ? { isLatest: true } : {}),
        };
        const id = await runId(client, given);
        const answer = await client.post<Forked>(api`/runs/${id}/fork`, body);
        session.print(done(answer, `Forked ${answer.name}, with ${answer.kept} steps of ${given}.`));
      }),
    );

  apiVerb(runs, {
    usage: "cancel <run>",
    summary: "End an open run; its agent hears of it with its next step",
    notes: "A call that was sent already comes to its own end.",
    example: 'signalbox runs cancel invoice-2026-0417 --reason "started twice"',
  })
    .requiredOption("--reason <text>", "kept with the entry, and told the agent")
    .action(
      run(terminal, async (session, given: string, { reason }: { reason: string }) => {
        const id = await runId(session.api(), given);
        const answer = await session
          .api()
          .post<{ receipt: ReceiptReference }>(api`/runs/${id}/cancel`, { reason });
        session.print(done(answer, `Cancelled ${given}.`));
      }),
    );

  runRetryVerbs(runs, terminal);

  apiVerb(runs, {
    usage: "raise <run>",
    summary: "Raise the tokens that an open run may use",
    notes: "Only a person may. A run that has used up its tokens, and asks, goes on.",
    example: "signalbox runs raise invoice-2026-0417 --tokens 400000",
  })
    .requiredOption("--tokens <count>", "in all, those that are used already among them")
    .action(
      run(terminal, async (session, given: string, { tokens }: { tokens: string }) => {
        const max = Number(tokens);
        if (!Number.isSafeInteger(max) || max < 1) throw usage(`--tokens is not a whole number: ${tokens}`);
        const id = await runId(session.api(), given);
        const answer = await session
          .api()
          .post<{ receipt: ReceiptReference }>(api`/runs/${id}/tokens`, { max });
        session.print(done(answer, `${given} may use ${max} tokens.`));
      }),
    );

  apiVerb(runs, {
    usage: "signal <run> <signal>",
    summary: "Send an open run a signal, for a step that waits for it or will",
    notes: "Kept until a step takes it; as long as it waits, a second one of its name is refused.",
    example: `signalbox runs signal invoice-2026-0417 paid --payload '{"amount": 249.5}'`,
  })
    .option("--payload <json>", "what it carries", "null")
    .action(
      run(terminal, async (session, given: string, signal: string, options: { payload: string }) => {
        const payload = jsonOf("--payload", options.payload);
        const id = await runId(session.api(), given);
        const answer = await session
          .api()
          .post<{ receipt: ReceiptReference }>(api`/runs/${id}/signals/${signal}`, { payload });
        session.print(done(answer, `Sent ${given} the signal ${signal}.`));
      }),
    );
}

interface StartOptions {
  readonly input: string;
  readonly name?: string;
  readonly deadline?: string;
}

interface ForkOptions {
  readonly from?: string;
  readonly name?: string;
  readonly latest?: boolean;
}

interface Forked {
  readonly run: string;
  readonly name: string;
  readonly kept: number;
  readonly receipt: ReceiptReference;
}

type Who = (chain: readonly string[]) => string;

const runColumns = (who: Who) => [
  { title: "name", of: (each: Run) => each.name },
  { title: "state", of: (each: Run) => each.state, colour: (each: Run) => colourOfState(each.state) },
  { title: "by", of: (each: Run) => who(each.principals) },
  { title: "attempt", of: (each: Run) => each.attempt, align: "right" as const },
  { title: "now", of: nowText },
  { title: "since", of: (each: Run) => instantText(each.createdAt) },
  { title: "run", of: (each: Run) => each.run, keep: true },
];

/** Runs that a run has started. */
const childColumns = [
  { title: "child", of: (each: Run) => each.name },
  { title: "of step", of: (each: Run) => each.parent?.step ?? "" },
  { title: "by", of: (each: Run) => each.hook ?? "" },
  { title: "state", of: (each: Run) => each.state, colour: (each: Run) => colourOfState(each.state) },
  { title: "now", of: nowText },
  { title: "run", of: (each: Run) => each.run, keep: true },
];

function nowText(each: Run): string {
  if (each.state === "dead") return deadText(each);
  if (each.state === "review") return "waits to be released";
  if (each.state !== "open") return "";
  if (each.isOrphan) return `${each.hook ?? ""} is not configured`;
  const [wait] = each.waitsFor;
  if (wait !== undefined) return waitText(wait);
  return each.isAlive ? "works" : "silent";
}

const runFields = (found: Run, who: Who): readonly Field[] => [
  ["run", found.run, "bold"],
  ["name", found.name],
  ["state", found.state, colourOfState(found.state)],
  ["by", who(found.principals)],
  ["attempt", String(found.attempt)],
  ["driven by", found.isOrphan ? `${found.hook ?? ""}, which is not configured any more` : found.hook],
  ["dead", found.deadReason === null ? null : deadText(found), "red"],
  ["started by", found.parent === null ? null : `${found.parent.run}, in its step ${found.parent.step}`],
  ["starts", found.starts === 0 ? null : `${found.starts} in a row that have led to nothing so far`],
  [
    "lost",
    found.losses === 0
      ? null
      : `${found.losses === 1 ? "once" : `${found.losses} times`} lately: --payload says why`,
  ],
  ["agent", found.state === "open" ? (found.isAlive ? "alive" : "silent") : null],
  ...found.waitsFor.map((wait): Field => ["waits for", waitText(wait)]),
  ["since", instantText(found.createdAt)],
  ["tokens", tokensText(found)],
  [
    "fails",
    found.deadlineLeftMs === null || !["open", "review"].includes(found.state)
      ? null
      : `in ${inWords(found.deadlineLeftMs)}`,
  ],
  ["is dropped", found.dropLeftMs === null ? null : `in ${inWords(found.dropLeftMs)}, if nobody retries it`],
  [found.state === "dead" ? "dead since" : "ended", instantText(found.endedAt)],
  ["entry", found.endEntry],
];

/** null = it has used none, and may use any number. */
const tokensText = ({ tokens: { used, max } }: Run): string | null =>
  max === null ? (used === 0 ? null : String(used)) : `${used} of ${max}`;

function jsonOf(option: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usage(
      `${option} is not JSON: ${text.slice(0, 60)}`,
      `A text needs its quotes: ${option} '"hello"'`,
    );
  }
}
