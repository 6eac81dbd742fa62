import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Review, RunRecord } from "../ledger/index.ts";
import { readRun } from "../ledger/index.ts";
import type { House } from "./house.ts";

/** Which run, and which process of its agent speaks. */
export interface Speaker {
  readonly name: string;
  readonly attempt: number;
}

/**
 * The owner's run, if it is open and this is its newest attempt. Both can change until something is written: what is written proves
 * them again, and when that fails, asking here again says why.
 */
export async function openRun(
  owner: Principal,
  speaker: Speaker,
  { store }: Pick<House, "store">,
): Promise<Result<RunRecord>> {
  const run = await ownRun(owner, speaker.name, { store });
  if (!run.ok) return run;
  const { attempt, state } = run.value;
  if (speaker.attempt < attempt) {
    return refuse({
      code: "stale-attempt",
      detail: `attempt ${speaker.attempt} was replaced by attempt ${attempt}`,
      evidence: { attempt: speaker.attempt, current: attempt },
    });
  }
  if (speaker.attempt > attempt) {
    return refuse({
      code: "invalid-params",
      detail: `attempt ${speaker.attempt} has not been attached; the current one is ${attempt}`,
    });
  }
  if (state === "review") return refuse(inReview(speaker.name));
  if (state !== "open") return refuse({ code: "run-ended", detail: `run "${speaker.name}" is ${state}` });
  return run;
}

/** What an agent hears of a run that waits to be released. */
export const inReview = (name: string): Refusal => ({
  code: "run-in-review",
  detail: `run "${name}" waits for an operator: signalbox runs review release`,
});

/** What is asked for by a name that is not on record may have been done in the time that the store has lost. */
const unprovenName = (review: Review, name: string): Refusal => ({
  code: "run-in-review",
  detail: `nothing is on record under "${name}", but this tenant is in review since it was brought back to an earlier state: signalbox runs review`,
  evidence: { reason: review.reason, detail: review.detail },
});

/**
 * Why no run can be made under a name that is not on record: the store has lost what was, or nodes are finding out whether it has. null =
 * one can.
 */
export function noNewName(owner: Principal, name: string, { ledger }: Pick<House, "ledger">): Refusal | null {
  const review = ledger.review(owner.tenant);
  if (review !== null) return unprovenName(review, name);
  if (!ledger.doubt.isOn) return null;
  return {
    code: "ledger-unavailable",
    detail: `nothing is on record under "${name}", and nodes are finding out whether the database has lost anything`,
  };
}

/** Another principal's run looks like a missing one. */
export async function ownRun(
  owner: Principal,
  name: string,
  { store }: Pick<House, "store">,
): Promise<Result<RunRecord>> {
  const run = await readRun(store, owner, name);
  return run === null
    ? refuse({ code: "not-found", detail: `You have no run "${name}"; attaching makes it.` })
    : ok(run);
}
