import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { newId, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Claim, RunRecord } from "../ledger/index.ts";
import {
  askToWake,
  childrenOf,
  claimFinal,
  claimsOfRun,
  isEnded,
  newRun,
  runDeadline,
  readRun,
  stepPlace,
} from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { Records } from "./house.ts";
import { childrenMax, forkedStepsMax } from "./limits.ts";
import { inReview } from "./open-run.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";

export interface ForkWishes {
  /** null = one is made up. */
  readonly name: string | null;
  /** The first step that is done anew; null = all that is on record is kept. */
  readonly from: string | null;
  /** What starts the new run's agent; null = nothing does. */
  readonly hook: string | null;
  /** From now on; null or left out = the longest that a run may last. */
  readonly deadlineMs?: number | null;
}

export interface Forked {
  readonly run: RunRecord;
  /** Steps that the new run is given back. */
  readonly kept: number;
  readonly receipt: ReceiptReference;
  readonly writes: readonly Write[];
}

/**
 * A new run of the same owner that has the steps of `origin` on record up to one, and goes on by itself from there. The steps are shared, not
 * copied: both runs lead to the same entries, so nothing is done again to get there, and who erases the origin erases them for both.
 * What comes after is done anew, with its effects.
 */
export async function forkRun(
  actor: Principal,
  owner: Principal,
  origin: RunRecord,
  wishes: ForkWishes,
  house: Records,
): Promise<Result<Forked>> {
  const { random, store, clock } = house;
  // What it has on record may not be all that was done in it.
  if (origin.state === "review") return refuse(inReview(origin.name));
  const kept = await keptSteps(origin, wishes.from, house);
  if (!kept.ok) return kept;
  const name = wishes.name ?? `${origin.name.slice(0, 100)}-${newId("run", clock.wall(), random).slice(-12)}`;
  const before = await readRun(store, owner, name);
  if (before !== null)
    return refuse({ code: "conflict", detail: `there is a run "${name}" already, which is ${before.state}` });
  const now = await store.now();
  const deadline = runDeadline(now, wishes.deadlineMs ?? null);
  const { run, write } = newRun(owner, name, house, {
    aliveUntil: null,
    deadline,
    hook: wishes.hook,
    // What it shares was paid for by its origin: it may use as many as that one from here on.
    tokensMax: origin.tokensMax,
  });
  const entry = await prepareEntry(
    actor,
    run,
    {
      kind: "run",
      method: "runs/forked",
      step: null,
      stepDigest: null,
      salt: random.bytes(saltBytes),
      input: null,
      output: null,
      note: { origin: origin.run, from: wishes.from, kept: kept.value.length },
    },
    house,
  );
  const claims = kept.value.map(({ tenant, call, stepDigest, place, outcomeEntry }) =>
    claimFinal({ tenant, call, stepDigest, place: stepPlace(run.run, place.name) }, outcomeEntry),
  );
  return ok({
    run,
    kept: kept.value.length,
    receipt: entry.receipt,
    writes: [write, askToWake(run, now), ...claims, entry.write],
  });
}

type Kept = Claim & { readonly outcomeEntry: NonNullable<Claim["outcomeEntry"]> };

/** In the order of their first arrival. Refused where one of them is not settled: the new run would do it a second time. */
async function keptSteps(
  origin: RunRecord,
  from: string | null,
  { store, ledger }: Records,
): Promise<Result<readonly Kept[]>> {
  const found = await claimsOfRun(store, origin.tenant, origin.run, { limit: forkedStepsMax + 1 });
  if (found.length > forkedStepsMax)
    return refuse({ code: "conflict", detail: `the run has more than ${forkedStepsMax} steps` });
  const sorted = found.toSorted((a, b) => (arrivalOf(a) < arrivalOf(b) ? -1 : 1));
  const end = from === null ? sorted.length : sorted.findIndex(({ place }) => place.name === from);
  if (end === -1) return refuse({ code: "invalid-params", detail: `the run has no step "${from}"` });
  const open = origin.children === 0 ? [] : await childrenOf(store, origin.run, childrenMax);
  const running = new Set(open.filter((child) => !isEnded(child)).map(({ parent }) => parent?.step));
  const kept: Kept[] = [];
  for (const claim of sorted.slice(0, end)) {
    const { state, outcomeEntry, place } = claim;
    if (state === "released") continue; // it ended without effect, and is entered anew
    const outcome = outcomeEntry === null ? null : await ledger.entry(origin.tenant, outcomeEntry);
    const isRunning = running.has(place.name) && outcome?.entry.method === "steps/child";
    if (isRunning || state === "open" || outcomeEntry === null || outcome?.entry.outcome?.kind === "unknown")
      return refuse({
        code: "conflict",
        detail: isRunning
          ? `the run that step "${place.name}" has started is not over: wait for it, cancel it, or fork from it or before`
          : `step "${place.name}" is under way or its outcome is unknown: wait for it, resolve it, or fork from it or before`,
        evidence: { step: place.name, call: claim.call },
      });
    kept.push({ ...claim, outcomeEntry });
  }
  return ok(kept);
}

/** Ids of calls and local steps begin with the time of their making, after another word each. */
const arrivalOf = ({ call }: Claim): string => call.slice(call.indexOf("_"));
