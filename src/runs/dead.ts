import type { DeadReason, ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { elapsedMs, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { dieRun, reviveRun } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { endingWrites } from "./end.ts";
import type { House, Records } from "./house.ts";
import { deadForMs, reasonCharactersMax } from "./limits.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";

/** For whoever acts on a run: done when they are committed, and refused when it has changed meanwhile. */
export interface RunAct {
  readonly writes: readonly Write[];
  readonly receipt: ReceiptReference;
}

/**
 * The writes of a run's death: it cannot go on by itself, and says why to whoever looks; people have `deadForMs` to do something about it. `last` is what its agent, or what starts it,
 * said when it came to nothing; null = as its record has it.
 */
export async function dyingWrites(
  node: Principal,
  run: RunRecord,
  death: { readonly reason: DeadReason; readonly last: string | null },
  house: Records,
): Promise<readonly Write[]> {
  const told = death.last ?? (await lastLoss(run, house));
  const last = told === null ? {} : { last: told.slice(0, reasonCharactersMax) };
  const sentence = sentences[death.reason](run);
  const reason = told === null ? sentence : `${sentence}: ${told}`.slice(0, reasonCharactersMax);
  const note = { reason, why: death.reason, starts: run.starts, ...last };
  const entry = await prepareEntry(node, run, { ...blank(house), method: "runs/dead", note }, house);
  const until = plusMs(await house.store.now(), deadForMs);
  return [dieRun(run, death.reason, { at: entry.at, entry: entry.id, until }), entry.write];
}

/** Somebody has a dead run tried again: it goes on where it stood, with its starts and losses counted anew. `deadlineMs` from now; null = as it was. */
export async function retryWrites(
  actor: Principal,
  run: RunRecord,
  deadlineMs: number | null,
  house: House,
): Promise<Result<RunAct>> {
  const refusal = whyNotDead(run);
  if (refusal !== null) return refusal;
  if (run.hook !== null && !house.hooks.has(run.hook))
    return refuse({
      code: "conflict",
      detail: `the configuration has no "${run.hook}", which started its agent: bring it back, or drop the run`,
    });
  const now = await house.store.now();
  const deadline = deadlineMs === null ? run.deadline : plusMs(now, deadlineMs);
  if (deadline !== null && elapsedMs(deadline, now) <= 0)
    return refuse({
      code: "conflict",
      detail: "its deadline has passed while it was dead: give it another one, or drop it",
    });
  const note = { was: run.deadReason, ...(deadlineMs === null ? {} : { deadlineMs }) };
  const entry = await prepareEntry(actor, run, { ...blank(house), method: "runs/retried", note }, house);
  return ok({ writes: [reviveRun(run, now, deadline), entry.write], receipt: entry.receipt });
}

/** Somebody gives a dead run up: it has failed, for the reason given. */
export async function dropWrites(
  actor: Principal,
  run: RunRecord,
  reason: string,
  house: Records,
): Promise<Result<RunAct>> {
  return whyNotDead(run) ?? ok(await endingWrites(actor, run, { state: "failed", reason }, house));
}

function whyNotDead(run: RunRecord): Result<never> | null {
  switch (run.state) {
    case "dead":
      return null;
    case "open":
      return refuse({ code: "conflict", detail: "the run is not dead: it is open" });
    case "review":
      return refuse({ code: "run-in-review", detail: "the run is not dead: it waits to be released" });
    case "finished":
    case "failed":
    case "cancelled":
      return refuse({ code: "run-ended", detail: `the run is ${run.state}` });
  }
}

const sentences = {
  "starts-used-up": ({ starts }) => `its agent was started ${times(starts, " in a row")} and did not get on`,
  "retries-used-up": ({ losses }) =>
    `its agent was lost ${times(losses + 1, "")}, more than its retries allow`,
  "start-refused": () => "what starts its agent refuses to",
} satisfies Record<DeadReason, (run: RunRecord) => string>;

const times = (count: number, how: string): string => (count === 1 ? "once" : `${count} times${how}`);

/** null = nobody knows, or it was erased. */
async function lastLoss({ tenant, lossEntry }: RunRecord, { ledger }: Records): Promise<string | null> {
  const found = lossEntry === null ? null : await ledger.entry(tenant, lossEntry);
  const opened = found === null ? null : await ledger.payload(found);
  const reason = opened === null || opened.erased ? null : opened.payload.note?.["reason"];
  return typeof reason === "string" ? reason : null;
}

const blank = ({ random }: Records) =>
  ({
    kind: "run",
    step: null,
    stepDigest: null,
    salt: random.bytes(saltBytes),
    input: null,
    output: null,
  }) as const;
