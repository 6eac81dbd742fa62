import type { Refusal } from "../../contract/index.ts";
import type { StoreMs } from "../base/index.ts";
import { plusMs } from "../base/index.ts";
import { awaitInput } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { holderOf } from "./house.ts";
import { inputWaitMs } from "./request-state.ts";
import type { Intended, Reply } from "./stages.ts";
import { Stop } from "./station.ts";
import { storeRefusal } from "./store-refusal.ts";

interface Waits {
  readonly kind: "waits";
  readonly until: StoreMs;
}

/**
 * The server wants input and nothing of the call runs meanwhile: that is made durable, so that no restart takes it for lost. A reply =
 * the ledger did not take it, and the call ends as not carried out; a stop = it is no longer this node's.
 */
export async function letWait(
  call: Intended,
  house: House,
  caller: "stays" | "may-give-up",
): Promise<Waits | Reply | Stop> {
  try {
    const until = plusMs(await house.store.now(), inputWaitMs);
    const verdict = await house.store.commit([
      awaitInput(call.id, holderOf(house), until, caller === "may-give-up"),
    ]);
    return verdict.verdict === "done" ? { kind: "waits", until } : settledElsewhere();
  } catch (thrown) {
    return notCarriedOut(storeRefusal(thrown));
  }
}

/** A server that asks before it goes on has said that it had not gone on. */
export const notCarriedOut = ({ code, detail, evidence }: Refusal): Reply => ({
  kind: "failed",
  code,
  detail,
  evidence: evidence ?? {},
});

/** This node was taken for dead; what it knows may no longer be told as the outcome. */
export const settledElsewhere = (): Stop =>
  new Stop({
    kind: "held",
    answer: {
      kind: "refused",
      refusal: { code: "outcome-not-recorded", detail: "another node has settled this call" },
      receipt: null,
    },
  });
