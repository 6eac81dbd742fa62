import { invariant } from "../base/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import { dispatchWaiting } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { holderOf } from "./house.ts";
import { mayDispatch } from "./may-dispatch.ts";
import type { Admitted, Intended } from "./stages.ts";
import type { Stop } from "./station.ts";
import { refused } from "./station.ts";
import { isStoreFault, storeRefusal } from "./store-refusal.ts";

type Waiting = Pick<OpenCall, "node" | "fence" | "dispatchBy" | "intentEntry">;

/** The next round of a call that waited: its intent stands, and this node drives it from here on. */
export async function goesOn(call: Admitted, open: Waiting, house: House): Promise<Intended | Stop> {
  const dispatchBy = house.storeClock.dispatchBy(house.limits.dispatchWindowMs);
  invariant(dispatchBy !== null, "the store's time is known before the first call");
  const next = { dispatchBy: dispatchBy.at, intentEntry: open.intentEntry };
  const remember = house.unsettled.forget(call.id);
  try {
    const before = house.storeClock.reading();
    const verdict = await house.store.commit([dispatchWaiting(call.id, open, holderOf(house), next)]);
    house.storeClock.learn(before, verdict.storeNow);
    if (verdict.verdict === "guard-failed") {
      remember();
      return refused({ code: "state-invalid", detail: "this round is under way or was answered already" });
    }
  } catch (thrown) {
    const refusal = storeRefusal(thrown);
    remember();
    // It may stand all the same; then it ended here, with nothing sent.
    if (isStoreFault(thrown) && thrown.effect === "unknown")
      house.unsettled.add(call.id, { kind: "failed", code: refusal.code });
    return refused(refusal);
  }
  if (call.repeat !== null) house.underWay.set(call.id, call.whole());
  return Object.assign(call, { intent: open.intentEntry, mayDispatch: mayDispatch(call, dispatchBy, house) });
}
