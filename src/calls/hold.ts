import type { House } from "./house.ts";
import { holdTask } from "./hold-task.ts";
import { letWait, notCarriedOut } from "./let-wait.ts";
import { withoutSecrets } from "./progress.ts";
import { sealState } from "./request-state.ts";
import { withoutOurMeta } from "./result-text.ts";
import type { Ended, Executed, Held, Reply } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop } from "./station.ts";
import { storeRefusal } from "./store-refusal.ts";

/**
 * Is there more to come? A server that asks for input, or goes on by itself, leaves the call open: that is durable before the answer
 * leaves, and the call goes on when its caller comes back. A `read` that was asked in its first round has nothing durable yet:
 * all that is known of it travels in the sealed state. What cannot be held has come to its end.
 */
export const hold: Station<Executed, Ended> = {
  name: "hold",
  visit(call, house) {
    const { reply } = call;
    switch (reply.kind) {
      case "asks":
        return awaitAnswers(call, reply, house).then((end) => ended(call, end));
      case "task":
        return holdTask(call, reply, house).then((end) => ended(call, end));
      case "answered":
      case "withheld":
      case "failed":
      case "unknown":
        return call as Ended;
    }
  },
};

const ended = (call: Executed, end: Reply | Stop): Ended | Stop =>
  end instanceof Stop ? end : Object.assign(call, { reply: end });

async function awaitAnswers(
  call: Executed,
  held: Extract<Held, { kind: "asks" }>,
  house: House,
): Promise<Stop | Reply> {
  const value = withoutSecrets(withoutOurMeta(held.value), call, house);
  if (value === null)
    return notCarriedOut({ code: "upstream-garbage", detail: "its question is nothing but a credential" });
  let requestState: string;
  try {
    requestState = await sealState(call, { upstream: held.requestState, park: null }, house);
  } catch (thrown) {
    return notCarriedOut(storeRefusal(thrown));
  }
  const waits = call.intent === null ? null : await letWait(call, house, "may-give-up");
  if (waits !== null && (waits instanceof Stop || waits.kind !== "waits")) return waits;
  const text = JSON.stringify({ ...value, resultType: "input_required", requestState });
  return new Stop({ kind: "held", answer: { kind: "input-required", text, receipt: null } });
}
