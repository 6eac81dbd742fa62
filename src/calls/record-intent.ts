import { invariant } from "../base/index.ts";
import type { EntryId, OpenCall } from "../ledger/index.ts";
import { changeRun, claim, identicalOpenCall, openCall } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { afterDoubt, isWithoutDoubt } from "./doubt.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import { fromPending } from "./from-pending.ts";
import { goesOn } from "./go-on.ts";
import { heldInReview } from "./held-in-review.ts";
import { identicalOpen, sameness, takeOverIdentical } from "./identical.ts";
import { isInTime, mayDispatch } from "./may-dispatch.ts";
import { isStoreFault, storeRefusal } from "./store-refusal.ts";
import { neverSent, noteOfBefore, supersede } from "./send-again.ts";
import type { Admitted, Intended, Planned } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop, refused } from "./station.ts";
import { writeEntry } from "./write-entry.ts";

/**
 * Makes the intent durable before any effect, and with it the claim on the step, the run it is the first of, and the row that
 * says which node holds the call until when. A `read` that finishes in one exchange records only its outcome.
 */
export const recordIntent: Station<Admitted, Intended> = {
  name: "recordIntent",
  visit(call, house) {
    const held = call.waiting === null ? null : heldInReview(call, call.waiting, house);
    if (held !== null) return held;
    if (!isRead(call) && !isWithoutDoubt(call, house)) return afterDoubt(call, house);
    if (call.waiting?.state === "pending") return fromPending(call, house);
    if (call.waiting !== null) return goesOn(call, call.waiting, house);
    // A `read` that comes back for another round, or after its first try was lost, is durable from here on, like any other class.
    if (isRead(call)) {
      const mayDispatch = () => !call.input.signal.aborted && isInTime(call, house);
      return Object.assign(call, { intent: null, mayDispatch });
    }
    return durably(call, house);
  },
};

const isRead = ({ subject, returns, sentBefore, waiting }: Admitted): boolean =>
  subject.class.kind === "read" && returns === null && sentBefore === null && waiting === null;

/**
 * The intent of a `read` that is not done in one exchange: what is held open must be on record before anybody is asked. Null = it
 * stands. A stop = the ledger did not take it, or somebody else was faster to claim the same step.
 */
export async function recordLateIntent(call: Intended, house: House): Promise<Stop | null> {
  if (call.intent !== null) return null;
  const durable = await durably(call, house);
  return durable instanceof Stop ? durable : null;
}

async function durably(call: Admitted, house: House): Promise<Intended | Stop> {
  const dispatchBy = house.storeClock.dispatchBy(house.limits.dispatchWindowMs);
  invariant(dispatchBy !== null, "the store's time is known before the first call");
  invariant(call.salt !== null, "recall stops a call whose record was erased");
  const intent = entryId(call.id, 0);
  try {
    const open = await openCallOf(call, house, dispatchBy.at);
    const { sentBefore } = call;
    const superseding = sentBefore === null ? [] : supersede(call, sentBefore, intent, house);
    const writes = [openCall(open), ...claimWrites(call), ...superseding];
    const { verdict } = await writeEntry(
      house,
      call,
      {
        kind: "intent",
        id: intent,
        outcome: null,
        commitments: { arguments: call.argumentsCommitment },
        after: before(call),
      },
      {
        salt: Buffer.from(call.salt).toString("base64"),
        arguments: call.argumentsText,
        ...(sentBefore === null ? {} : noteOfBefore(sentBefore)),
      },
      writes,
    );
    if (verdict.verdict === "guard-failed") {
      // 0 is the entry, 1 the open call; what follows is the claim and the run, which somebody else was faster to make.
      return verdict.index > 1 ? new Stop({ kind: "again" }) : await identical(call, open, house);
    }
  } catch (thrown) {
    const refusal = storeRefusal(thrown);
    // It may stand all the same; then it ended here, with nothing sent.
    if (isStoreFault(thrown) && thrown.effect === "unknown")
      house.unsettled.add(call.id, neverSent(call, { kind: "failed", code: refusal.code }));
    return refused(refusal);
  }
  if (call.repeat !== null) house.underWay.set(call.id, call.whole());
  return Object.assign(call, { intent, mayDispatch: mayDispatch(call, dispatchBy, house) });
}

/** Entering a step again names what came of it before. */
const before = (call: Admitted): EntryId | null => call.sentBefore?.outcomeEntry ?? releasedBy(call);

async function openCallOf(
  call: Admitted,
  house: House,
  dispatchBy: OpenCall["dispatchBy"],
): Promise<OpenCall> {
  return {
    call: call.id,
    tenant: call.principal.tenant,
    principal: call.principal.id,
    subject: call.subject.id,
    class: call.subject.class.kind,
    state: "dispatched",
    node: house.node.name,
    fence: house.node.fence,
    dispatchBy,
    intentEntry: entryId(call.id, 0),
    stepDigest: call.stepDigest,
    claim: call.repeat?.place ?? null,
    same: call.repeat === null && call.subject.class.kind === "effect" ? await sameness(call, house) : null,
  };
}

/** The claim on a place, and the run: made by its first call, proven by every other. */
export function claimWrites(call: Planned): Write[] {
  const writes: Write[] = [];
  if (call.run?.creation) writes.push(call.run.creation);
  // A process that was replaced since *plan* looked at the run dispatches nothing more, and nothing happens in a run that has ended.
  else if (call.run !== null) writes.push(changeRun(call.run.record, {}));
  if (call.repeat !== null) {
    const { place, expiresAt, found } = call.repeat;
    writes.push(
      claim(
        { tenant: call.principal.tenant, place, call: call.id, stepDigest: call.stepDigest, expiresAt },
        found,
      ),
    );
  }
  return writes;
}

/** What came of the call that had the step before; null = it is entered for the first time. */
export const releasedBy = ({ repeat }: Planned): EntryId | null =>
  repeat?.found?.state === "released" ? repeat.found.outcomeEntry : null;

async function identical(
  call: Admitted,
  { tenant, principal, same }: OpenCall,
  house: House,
): Promise<Intended | Stop> {
  const other = same === null ? null : await identicalOpenCall(house.store, tenant, principal, same);
  if (other === null) return new Stop({ kind: "again" }); // it has ended meanwhile
  if (other.state !== "pending") return refused(identicalOpen(call, other));
  const held = heldInReview(call, other, house);
  if (held !== null) return held;
  // People were asked about the same, and policy no longer asks them: it goes on as that call.
  return (await takeOverIdentical(call, house)) ?? fromPending(call, house);
}
