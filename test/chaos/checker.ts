import type { Entry } from "../../src/ledger/index.ts";
import type { Effect, Exchange, SeenCheckpoint, Wish } from "./history.ts";

/** What is left when a world has come to rest. */
export interface Remains {
  readonly exchanges: readonly Exchange[];
  readonly effects: readonly Effect[];
  readonly checkpoints: readonly SeenCheckpoint[];
  /** In the order of the log. */
  readonly entries: readonly LoggedEntry[];
  /** Where the offline verification of the ledger found it broken. */
  readonly broken: readonly string[];
  /** Calls that are still on record as dispatched, although nobody works on them any more. */
  readonly dispatched: readonly string[];
  readonly runs: readonly RunAtRest[];
  /** Nodes stamped their entries with this machine's time, so entries and arrivals can be compared. */
  readonly clocksAgree: boolean;
  /**
   * The database was brought back to what it was at `from`, and from `until` on that is what it held. Whatever was acknowledged between is
   * gone, and must not be done again; null = nothing was brought back.
   */
  readonly forgotten: { readonly from: number; readonly until: number } | null;
}

export type LoggedEntry = Pick<Entry, "id" | "kind" | "call" | "run" | "step" | "outcome" | "after"> & {
  /** Unix milliseconds. */
  readonly at: number;
  readonly leafHash: string;
};

export interface RunAtRest {
  readonly name: string;
  readonly state: string;
  /** A call of it has an outcome that nobody knows, and is on record so. */
  readonly isAtUnknown: boolean;
}

/** Each a promise, and how it was broken. */
export interface Violation {
  readonly rule:
    | "acknowledged-lost"
    | "receipt-differs"
    | "answer-not-on-record"
    | "answers-differ"
    | "done-without-effect"
    | "effect-duplicated"
    | "effect-under-two-keys"
    | "effect-without-intent"
    | "effect-after-outcome"
    | "approved-by-nobody"
    | "call-ended-twice"
    | "call-without-end"
    | "call-left-dispatched"
    | "step-done-twice"
    | "step-entered-again"
    | "log-out-of-order"
    | "log-forked"
    | "ledger-broken"
    | "run-unfinished";
  readonly detail: string;
}

/** How much earlier than its bytes an outcome may seem to be written: stamps of one machine, in whole milliseconds. */
const stampMs = 5;

/** Everything that the history contradicts. No I/O, no time: the same remains give the same violations. */
export function violationsIn(remains: Remains): readonly Violation[] {
  const found: Violation[] = [];
  const say: Say = (rule, detail) => void found.push({ rule, detail });
  const log = indexed(remains.entries);
  checkAnswers(remains, log, say);
  checkEffects(remains, log, say);
  checkCalls(remains, log, say);
  checkSteps(remains, log, say);
  checkLog(remains, log, say);
  for (const { name, state, isAtUnknown } of remains.runs)
    if (state !== "finished" && !isAtUnknown && !(state === "review" && remains.forgotten !== null))
      say("run-unfinished", `run ${name} is ${state}`);
  return found;
}

type Say = (rule: Violation["rule"], detail: string) => void;

interface Log {
  readonly entries: readonly LoggedEntry[];
  readonly byId: ReadonlyMap<string, LoggedEntry>;
  /** Intents of a step, by its name alone: names of steps are of one run each. */
  readonly intentsOf: (step: string) => readonly LoggedEntry[];
  readonly of: (call: string | null, n: number | "a1") => LoggedEntry | undefined;
}

function indexed(entries: readonly LoggedEntry[]): Log {
  const byId = new Map(entries.map((entry) => [entry.id as string, entry]));
  const intents = Map.groupBy(
    entries.filter(({ kind, step }) => kind === "intent" && step !== null),
    ({ step }) => step,
  );
  return {
    entries,
    byId,
    intentsOf: (step) => intents.get(step) ?? [],
    of: (call, n) => byId.get(`${call}:${n}`),
  };
}

/** What a client was told is on record, stays so, and is told to all who ask for the same. */
function checkAnswers(remains: Remains, log: Log, say: Say): void {
  const told = new Map<string, { text: string; entry: string }>();
  for (const { wish, heard, node, heardAt } of remains.exchanges) {
    if (heard.kind !== "done" || isForgotten(remains, heardAt)) continue;
    const what = `${wish.to}, answered by ${node}`;
    const entry = log.byId.get(heard.entry);
    if (entry === undefined) {
      say("acknowledged-lost", `${what}: ${heard.entry} is not in the log`);
      continue;
    }
    if (entry.leafHash !== heard.leaf) say("receipt-differs", `${what}: ${heard.entry} has another leaf`);
    if (entry.outcome?.kind !== "succeeded")
      say("answer-not-on-record", `${what}: ${heard.entry} says ${entry.outcome?.kind ?? entry.kind}`);
    if (wish.name === null) continue;
    const before = told.get(wish.to);
    told.set(wish.to, before ?? heard);
    if (before !== undefined && (before.text !== heard.text || before.entry !== heard.entry))
      say("answers-differ", `${what}: ${before.entry} and ${heard.entry}`);
  }
}

/** Answers are heard, and effects arrive, a little before or after what is on record of them. */
const forgettingMs = 1_000;

const isForgotten = ({ forgotten }: Remains, at: number): boolean =>
  forgotten !== null && at > forgotten.from - forgettingMs && at < forgotten.until + forgettingMs;

function checkEffects(remains: Remains, log: Log, say: Say): void {
  const { exchanges, effects, clocksAgree } = remains;
  const arrived = Map.groupBy(effects, ({ to }) => to);
  const wishes = new Map<string, Wish>(exchanges.map(({ wish }) => [wish.to, wish]));
  const done = new Set(exchanges.filter(({ heard }) => heard.kind === "done").map(({ wish }) => wish.to));
  // Hosted runs ask for what no client of ours has asked for.
  for (const [to, times] of arrived)
    if (wishes.get(to)?.class !== "idempotent" && times.length > 1)
      say("effect-duplicated", `${to} was carried out ${times.length} times`);
  for (const [to, wish] of wishes) {
    if (wish.class === "read") continue;
    const times = arrived.get(to) ?? [];
    if (done.has(to) && times.length === 0) say("done-without-effect", `${to} never reached the upstream`);
    if (wish.class === "idempotent" && new Set(times.map(({ key }) => key)).size > 1)
      say("effect-under-two-keys", `${to} came under ${times.map(({ key }) => key).join(" and ")}`);
    if (wish.name === null || !("step" in wish.name) || times.length === 0) continue;
    const intents = log.intentsOf(wish.name.step);
    if (intents.length === 0 && times.every(({ at }) => !isForgotten(remains, at)))
      say("effect-without-intent", `${to} has no intent on record`);
    for (const { call } of intents)
      if (wish.isApproved && log.of(call, "a1") === undefined)
        say("approved-by-nobody", `${to}: nobody was asked about call ${call}`);
    // A node that was given up must not carry out what others have written off.
    const first = intents.length === 1 ? log.of(intents[0]?.call ?? null, 1) : undefined;
    const [arrival] = times;
    if (clocksAgree && first !== undefined && arrival !== undefined && arrival.at > first.at + stampMs)
      say("effect-after-outcome", `${to} arrived ${arrival.at - first.at} ms after ${first.id} was written`);
  }
}

function checkCalls({ entries, dispatched }: Remains, log: Log, say: Say): void {
  const ends = new Map<string, number>();
  for (const { id, kind, call } of entries) {
    if (kind === "outcome" && call !== null) {
      ends.set(call, (ends.get(call) ?? 0) + 1);
      if (ends.get(call) === 2) say("call-ended-twice", `${call} has a second outcome, ${id}`);
    }
    if (kind === "intent" && log.of(call, 1) === undefined)
      say("call-without-end", `the intent ${id} has no outcome`);
  }
  for (const call of dispatched) say("call-left-dispatched", `${call} is on nobody's mind`);
}

/** A step is entered again only when nothing had happened, or it is known how it ended; and it succeeds once. */
function checkSteps({ exchanges }: Remains, log: Log, say: Say): void {
  const repeatable = new Set(
    exchanges.flatMap(({ wish: { name, class: of } }) =>
      of !== "effect" && name !== null && "step" in name ? [name.step] : [],
    ),
  );
  const succeeded = new Map<string, string>();
  const last = new Map<string, LoggedEntry>();
  for (const entry of log.entries) {
    const { run, step, kind, outcome, id, call } = entry;
    if (run === null || step === null) continue;
    const name = `${step} of ${run}`;
    if (outcome?.kind === "succeeded" && kind === "outcome") {
      const before = succeeded.get(name);
      if (before !== undefined) say("step-done-twice", `${name}: ${before} and ${id}`);
      succeeded.set(name, id);
    }
    if (kind !== "intent") continue;
    const earlier = last.get(name);
    last.set(name, entry);
    if (earlier === undefined || earlier.call === call) continue;
    const end = log.of(earlier.call, 2) ?? log.of(earlier.call, 1);
    const isFree = end?.outcome?.kind === "failed" || end?.outcome?.kind === "refused";
    if (!isFree && !repeatable.has(step))
      say(
        "step-entered-again",
        `${name}: ${id} after ${earlier.id}, which is ${end?.outcome?.kind ?? "open"}`,
      );
  }
}

/** One log, in order, that every node has signed in the same words. */
function checkLog(remains: Remains, log: Log, say: Say): void {
  const seen = new Set<string>();
  for (const { id, after } of log.entries) {
    seen.add(id);
    if (after !== null && !seen.has(after)) say("log-out-of-order", `${id} stands before ${after}`);
  }
  const roots = new Map<number, SeenCheckpoint>();
  for (const checkpoint of remains.checkpoints) {
    if (isForgotten(remains, checkpoint.at)) continue;
    const other = roots.get(checkpoint.size);
    roots.set(checkpoint.size, other ?? checkpoint);
    if (other !== undefined && other.root !== checkpoint.root)
      say("log-forked", `${other.node} and ${checkpoint.node} signed different logs of ${checkpoint.size}`);
  }
  for (const detail of remains.broken) say("ledger-broken", detail);
}
