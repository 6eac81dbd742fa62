import { invariant } from "../base/index.ts";
import { changeRun, dispatchPending } from "../ledger/index.ts";
import { endPending } from "./end-pending.ts";
import { entryId } from "./entries.ts";
import { holderOf } from "./house.ts";
import type { House } from "./house.ts";
import { mayDispatch } from "./may-dispatch.ts";
import type { Admitted, Intended } from "./stages.ts";
import { Stop, refused } from "./station.ts";
import { isStoreFault, storeRefusal } from "./store-refusal.ts";
import { writeEntry } from "./write-entry.ts";

/**
 * The intent of a call that waited for people: the approval is used up in the transaction that makes it durable, so it serves once,
 * however many come back at the same moment. Where policy no longer asks, the request is void from here on.
 */
export async function fromPending(call: Admitted, house: House): Promise<Intended | Stop> {
  const dispatchBy = house.storeClock.dispatchBy(house.limits.dispatchWindowMs);
  invariant(dispatchBy !== null, "the store's time is known before the first call");
  invariant(call.salt !== null, "recall stops a call whose record was erased");
  const intent = entryId(call.id, 0);
  try {
    const request = call.approval ?? (await house.approvals.ofCall(call.id));
    if (request !== null) {
      // It may have waited for room until its time was over.
      if (call.approval !== null && house.approvals.isOver(request, house.storeClock.now()))
        return await endPending(call, request, "approval-expired", house);
      // A no is a no, also where policy has stopped asking.
      if (request.state === "denied") return await endPending(call, request, "approval-denied", house);
    }
    const isStanding = request !== null && (request.state === "pending" || request.state === "approved");
    const { verdict } = await writeEntry(
      house,
      call,
      {
        kind: "intent",
        id: intent,
        outcome: null,
        commitments: { arguments: call.argumentsCommitment },
        after: request?.requestEntry ?? null,
      },
      { salt: Buffer.from(call.salt).toString("base64"), arguments: call.argumentsText },
      [
        ...(call.run === null ? [] : [changeRun(call.run.record, {})]),
        dispatchPending(call.id, holderOf(house), {
          dispatchBy: dispatchBy.at,
          keepsSame: call.repeat === null && call.subject.class.kind === "effect",
        }),
        ...(call.approval !== null
          ? [house.approvals.consume(call.approval)]
          : isStanding
            ? house.approvals.makeVoid(request)
            : []),
      ],
    );
    if (verdict.verdict === "guard-failed") return new Stop({ kind: "again" });
  } catch (thrown) {
    const refusal = storeRefusal(thrown);
    // It may stand all the same; then it ended here, with nothing sent.
    if (isStoreFault(thrown) && thrown.effect === "unknown")
      house.unsettled.add(call.id, { kind: "failed", code: refusal.code });
    return refused(refusal);
  }
  house.underWay.set(call.id, call.whole());
  return Object.assign(call, { intent, mayDispatch: mayDispatch(call, dispatchBy, house) });
}
