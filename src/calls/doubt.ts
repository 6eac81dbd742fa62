import type { Refusal } from "../../contract/index.ts";
import { deadlineIn, remainingMs } from "../base/index.ts";
import type { Deadline, Fault } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { House } from "./house.ts";
import type { Authenticated, Intended, Reply } from "./stages.ts";
import { Stop, refused } from "./station.ts";

/**
 * When the database has become another, what a call was planned by may be gone. Until that is known, or is in review, no effect is sent;
 * and what was planned before is looked at again before it goes on.
 */

/** A lease, in which everybody answers, and a little for writing the reviews down. */
const patienceMs = 20_000;

/** What the tenant's review is known by; 0 = none is on. A new one is above all older ones. */
export const reviewFloor = (tenant: TenantId, ledger: Pick<Ledger, "review">): number =>
  ledger.review(tenant)?.floor ?? 0;

/** Whether what the call was planned by holds still. */
export const isWithoutDoubt = (call: Authenticated, { ledger }: House): boolean =>
  !ledger.doubt.isOn && reviewFloor(call.principal.tenant, ledger) <= call.reviewFloor;

/** For a call of which nothing is durable yet: it waits until the doubt is over, and then begins anew. */
export async function afterDoubt(call: Authenticated, house: House): Promise<Stop> {
  await overDoubt(call, call.input.deadline, house);
  return house.ledger.doubt.isOn ? refused(inDoubt) : new Stop({ kind: "again" });
}

/** For one whose intent was made durable in the very flush by which this node learned of it. null = it may be sent. */
export async function heldBack(call: Intended, house: House): Promise<Reply | null> {
  if (call.intent === null || isWithoutDoubt(call, house)) return null;
  await overDoubt(call, call.deadline, house);
  return isWithoutDoubt(call, house) ? null : neverLeft;
}

function overDoubt(call: Authenticated, deadline: Deadline | null, { ledger, clock }: House): Promise<void> {
  const left = remainingMs(clock, deadline ?? deadlineIn(clock, patienceMs));
  return ledger.doubt.over(Math.min(left, patienceMs), call.input.signal);
}

/** `mayDispatch` says no without a reason; for a call with an intent this may be it. */
export const wasHeldBack = (call: Intended, fault: Fault, house: House): boolean =>
  call.intent !== null &&
  fault.code === "deadline-before-dispatch" &&
  fault.effect === "none" &&
  !isWithoutDoubt(call, house);

const inDoubt = {
  code: "ledger-unavailable",
  detail:
    "the database has become another, and nodes are finding out whether it still has all that was on record: nothing was sent to the tool",
} as const satisfies Refusal;

export const neverLeft: Reply = { kind: "failed", ...inDoubt, evidence: {} };
