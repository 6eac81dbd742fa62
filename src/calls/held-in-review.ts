import type { Refusal } from "../../contract/index.ts";
import type { OpenCall, Review } from "../ledger/index.ts";
import type { House } from "./house.ts";
import type { Planned } from "./stages.ts";
import type { Stop } from "./station.ts";
import { refused } from "./station.ts";

/**
 * A store that was brought back to an earlier state does not know what was done after it. What names a step or key is promised one effect,
 * so nothing of what was open, and nothing under a name that is not on record, is sent before an operator has said that it may be.
 */

export const runInReview = (name: string): Refusal => ({
  code: "run-in-review",
  detail: `run "${name}" waits for an operator: signalbox runs review release`,
});

export const unprovenName = (review: Review, what: string): Refusal => ({
  code: "run-in-review",
  detail: `${what} is not on record, and it may have been used in the time that is not either; it waits for an operator: signalbox runs review`,
  evidence: { reason: review.reason, detail: review.detail },
});

/**
 * A call outside of a run that waited for people when the store was brought back: its approval may have been used since. Null = it may go
 * on. One in a run goes on when its run was released.
 */
export function heldInReview(call: Planned, open: OpenCall, house: House): Stop | null {
  const review = house.ledger.review(open.tenant);
  if (review === null || call.run !== null || !isFromBefore(open, house)) return null;
  return refused({
    code: "run-in-review",
    detail: `call ${open.call} was open in an earlier state of this installation; it waits for an operator: signalbox runs review`,
    evidence: { reason: review.reason, detail: review.detail },
  });
}

/** It was open in the earlier state, so that nobody knows what became of it, and the review is on. */
export function isFromBefore(open: OpenCall, { ledger }: Pick<House, "ledger">): boolean {
  const review = ledger.review(open.tenant);
  return review !== null && open.fence < review.floor;
}
