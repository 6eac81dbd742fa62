import type { Command } from "commander";
import { api } from "../client.ts";
import { usage } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Answer, Terminal } from "../terminal.ts";
import type { Entry, Outcome } from "./entry.ts";
import { outcomeText } from "./entry.ts";
import type { Resolved, Trying, Way } from "./way-out.ts";
import { resolvedText, wayText } from "./way-out.ts";
import { nameFinder } from "./who.ts";

/** As `/calls` answers. */
interface Ended {
  readonly call: string;
  readonly at: string;
  readonly tool: string | null;
  readonly name: string | null;
  readonly principals: readonly string[];
  readonly run: string | null;
  readonly step: string | null;
  readonly outcome: Outcome;
  readonly policies: readonly string[];
  readonly resolved: Resolved | null;
}

/** As `/calls/open` and `/calls/unknown` answer. */
interface Open {
  readonly call: string;
  readonly principal: string;
  readonly tool: string;
  readonly name: string | null;
  readonly class: string;
  readonly state: "pending" | "waiting" | "dispatched" | "unknown";
  readonly node: string;
  readonly retryPossibleInMs: number;
  readonly way: Way | null;
  readonly trying: Trying | null;
}

interface Payload {
  readonly entry: string;
  readonly erased: boolean;
  readonly arguments?: string;
  readonly result?: string;
  readonly note?: unknown;
}

interface ListOptions {
  readonly limit: string;
  readonly state?: string;
  readonly outcome?: string;
  readonly agent?: string;
  readonly tool?: string;
}

const states = ["ended", "dispatched", "waiting", "pending", "unknown"] as const;
const outcomes = ["succeeded", "failed", "unknown", "refused"] as const;

export function callsCommand(program: Command, terminal: Terminal): void {
  const calls = noun(program, "calls", "What agents asked for, and what became of it");

  apiVerb(calls, {
    usage: "ls",
    summary: "List calls, newest first",
    notes:
      "`--state unknown` lists those of which nobody knows whether they happened: somebody has to look, and resolve them.",
    example: "signalbox calls ls --agent invoicer --outcome refused",
  })
    .option(
      "--state <state>",
      "ended (default), dispatched, waiting (for input), pending (for approval) or unknown",
    )
    .option("--outcome <outcome>", "of those that ended: succeeded, failed, unknown or refused")
    .option("--agent <agent>", "of those that ended: only by this agent, person or service")
    .option("--tool <tool>", "of those that ended: only to this tool")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: ListOptions) => {
        const state = oneOf("--state", options.state ?? "ended", states);
        session.print(await callsIn(state, session, options));
      }),
    );

  apiVerb(calls, {
    usage: "show <call>",
    summary: "Show a call with its entries, its decision and its outcome",
    example: "signalbox calls show call_01jd… --payload",
  })
    .option("--payload", "what it was given and what it answered; that you looked is recorded")
    .action(
      run(terminal, async (session, call: string, options: { payload?: boolean }) => {
        const client = session.api();
        const found = await client.get<Shown>(api`/calls/${call}`);
        const opened =
          options.payload === true
            ? await client.get<{ items: readonly Payload[] }>(api`/calls/${call}/payload`)
            : null;
        const payloads = opened?.items ?? [];
        session.print(
          shown(
            opened === null ? found : { ...found, payloads },
            fields(
              found,
              payloads,
              await nameFinder(
                session,
                found.entries.map(({ principals }) => principals),
              ),
            ),
          ),
        );
      }),
    );

  apiVerb(calls, {
    usage: "resolve <call>",
    summary: "Settle a call whose outcome is unknown: done, or retry",
    notes:
      "done: it happened, its step is bound for good. retry: it did not happen, its step may be entered again.",
    example: 'signalbox calls resolve call_01jd… --as done --reason "the invoice is in the books"',
  })
    .requiredOption("--as <resolution>", "done or retry")
    .requiredOption("--reason <text>", "how you know; kept with the entry")
    .action(
      run(terminal, async (session, call: string, options: { as: string; reason: string }) => {
        const resolution = oneOf("--as", options.as, ["done", "retry"]);
        const body = { resolution, reason: options.reason };
        const answer = await session
          .api()
          .post<{ receipt: ReceiptReference }>(api`/calls/${call}/resolve`, body);
        const meaning = resolution === "done" ? "it happened" : "it did not happen and may be tried again";
        session.print(done(answer, `Resolved ${call}: ${meaning}.`));
      }),
    );
}

async function callsIn(
  state: (typeof states)[number],
  session: Session,
  options: ListOptions,
): Promise<Answer> {
  const client = session.api();
  const limit = limitOf(options.limit);
  const { agent, tool } = options;
  const outcome = options.outcome === undefined ? undefined : oneOf("--outcome", options.outcome, outcomes);
  if (state === "ended") {
    const found = await client.list<Ended>("/calls", limit, { agent, tool, outcome });
    const who = await nameFinder(
      session,
      found.items.map(({ principals }) => principals),
    );
    return listed(found, endedColumns(who), "No call has ended yet.");
  }
  if (agent !== undefined || tool !== undefined || outcome !== undefined)
    throw usage("--agent, --tool and --outcome are for calls that ended.");
  const found =
    state === "unknown"
      ? await client.list<Open>("/calls/unknown", limit)
      : await client.list<Open>("/calls/open", limit, { state });
  const who = await nameFinder(
    session,
    found.items.map(({ principal }) => [principal]),
  );
  return listed(found, openColumns(who), `There is no ${state} call.`);
}

const toolOf = (call: { readonly name: string | null; readonly tool: string | null }): string | null =>
  call.name ?? call.tool;

type Who = (chain: readonly string[]) => string;

const settledText = (outcome: Outcome, resolved: Resolved | null): string =>
  resolved === null ? outcomeText(outcome) : `${outcomeText(outcome)}, resolved ${resolvedText(resolved)}`;

const endedColumns = (who: Who) => [
  { title: "at", of: (call: Ended) => instantText(call.at) },
  { title: "tool", of: toolOf },
  {
    title: "outcome",
    of: (call: Ended) => settledText(call.outcome, call.resolved),
    colour: (call: Ended) => colourOfState(call.outcome.kind),
  },
  { title: "by", of: (call: Ended) => who(call.principals) },
  { title: "step", of: (call: Ended) => (call.run === null ? "" : `${call.run} ${call.step ?? ""}`) },
  { title: "call", of: (call: Ended) => call.call, keep: true },
];

const openColumns = (who: Who) => [
  { title: "call", of: (call: Open) => call.call, keep: true },
  { title: "state", of: (call: Open) => call.state, colour: (call: Open) => colourOfState(call.state) },
  { title: "tool", of: toolOf },
  { title: "class", of: (call: Open) => call.class },
  { title: "by", of: (call: Open) => who([call.principal]) },
  { title: "node", of: (call: Open) => call.node },
  {
    title: "retry",
    of: (call: Open) =>
      call.retryPossibleInMs === 0 ? "possible" : `in ${Math.ceil(call.retryPossibleInMs / 1000)} s`,
  },
  { title: "way out", of: wayText },
];

interface Shown {
  readonly call: string;
  readonly open: Open | null;
  readonly outcome: Outcome | null;
  readonly resolved: Resolved | null;
  readonly entries: readonly Entry[];
}

/** What was in force when most was known of it: a refusal can come before policy is asked. Digests by their beginning. */
function versionsText(entries: readonly Entry[]): string | null {
  const all = entries.map(({ versions }) => Object.entries(versions));
  const most = all.toSorted((a, b) => b.length - a.length)[0] ?? [];
  const short = (text: string) => (/^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text);
  return most.length === 0 ? null : most.map(([what, version]) => `${what} ${short(version)}`).join(", ");
}

function fields(
  { call, open, outcome, resolved, entries }: Shown,
  payloads: readonly Payload[],
  who: Who,
): readonly Field[] {
  const [first] = entries;
  const decided = entries.find((entry) => entry.decision !== null)?.decision ?? null;
  return [
    ["call", call, "bold"],
    [
      "outcome",
      outcome === null ? "none yet" : outcomeText(outcome),
      colourOfState(outcome?.kind ?? "waiting"),
    ],
    ["state", open === null ? null : open.state, colourOfState(open?.state ?? "")],
    ["resolved", resolved === null ? null : resolvedText(resolved)],
    ["way out", open === null || open.way === null ? null : wayText(open)],
    ["no answer", open?.trying?.last ?? null],
    ["method", first?.method ?? null],
    ["tool", open?.name ?? first?.name ?? first?.subject ?? null],
    ["by", first === undefined ? null : who(first.principals)],
    ["run", first?.run ?? null],
    ["step", first?.step ?? null],
    [
      "decision",
      decided === null ? null : `${decided.effect} by ${decided.policies.join(", ") || "no policy"}`,
      colourOfState(decided?.effect ?? ""),
    ],
    ["under", versionsText(entries)],
    ...entries.map((entry): Field => ["entry", `${instantText(entry.at) ?? ""}  ${entry.kind}  ${entry.id}`]),
    ...payloads.flatMap((payload): Field[] =>
      payload.erased
        ? [["payload", `${payload.entry}: erased`]]
        : [
            ["given", payload.arguments ?? null],
            ["answered", payload.result ?? null],
            ["note", payload.note === undefined ? null : JSON.stringify(payload.note, null, 2)],
          ],
    ),
  ];
}
