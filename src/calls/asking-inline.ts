import type { Ask, AskAnswer, Round } from "../upstream/index.ts";
import type { Executing } from "./asking.ts";
import { asked, asksMax, nobody, patiently, remember, tooManyWait } from "./asking.ts";
import { goesOn } from "./go-on.ts";
import type { House } from "./house.ts";
import { holderOf } from "./house.ts";
import { letWait, notCarriedOut } from "./let-wait.ts";
import { withoutSecrets } from "./progress.ts";
import { recordLateIntent } from "./record-intent.ts";
import type { Held, Reply } from "./stages.ts";
import { Stop } from "./station.ts";
import { waitForCaller } from "./waiting-places.ts";

/** Another round, or how the call ended instead. */
type Next = { readonly kind: "round"; readonly round: Round } | Reply | Stop;

/**
 * A server that keeps nothing asks, and its caller keeps a connection for it: the caller is asked in its session, and what it says makes
 * the next round. Meanwhile the call waits, durably, like any other that was asked; then it is dispatched anew.
 */
export async function askedInline(
  call: Executing,
  ask: NonNullable<Executing["input"]["ask"]>,
  held: Extract<Held, { kind: "asks" }>,
  house: House,
): Promise<Next> {
  if ((call.inputs?.length ?? 0) >= asksMax) return abandoned("its server asked too often");
  const requests = withoutSecrets(held.requests, call, house);
  if (requests === null) return abandoned("the question cannot be shown");
  const leave = waitForCaller(call, house);
  if (leave === null) return notCarriedOut({ code: "too-many-calls", detail: tooManyWait });
  try {
    return await askedInPlace(call, ask, { requests, requestState: held.requestState }, house);
  } finally {
    leave();
  }
}

async function askedInPlace(
  call: Executing,
  ask: NonNullable<Executing["input"]["ask"]>,
  { requests, requestState }: Pick<Extract<Held, { kind: "asks" }>, "requests" | "requestState">,
  house: House,
): Promise<Next> {
  const waits = call.intent === null ? null : await letWait(call, house, "stays");
  if (waits !== null && (waits instanceof Stop || waits.kind !== "waits")) return waits;
  const answers = await patiently(call, asked(call, ask, requests, house));
  const stop =
    waits === null || call.intent === null
      ? await recordLateIntent(call, house)
      : await goOnFrom(
          call,
          { ...holderOf(house), dispatchBy: waits.until, intentEntry: call.intent },
          house,
        );
  if (stop !== null) return stop.reason.kind === "refused" ? lost(call, stop.reason.refusal) : stop;
  const inputResponses = responsesTo(requests, answers);
  if (typeof inputResponses === "string") return abandoned(inputResponses);
  remember(call, inputResponses);
  return { kind: "round", round: { inputResponses, requestState } };
}

async function goOnFrom(
  call: Executing,
  from: Parameters<typeof goesOn>[1],
  house: House,
): Promise<Stop | null> {
  const gone = await goesOn(call, from, house);
  if (!(gone instanceof Stop)) return null;
  if (gone.reason.kind !== "refused" || gone.reason.refusal.code !== "state-invalid") {
    // Nobody has a state to come back with: unless somebody takes the step over, it is over.
    house.unsettled.add(call.id, { kind: "failed", code: "ledger-unavailable" }, ["waiting", "dispatched"]);
    return gone;
  }
  // Its step was named again, and is driven by that request now; or its time was over.
  return call.repeat === null ? gone : new Stop({ kind: "again" });
}

/**
 * There is no way in this era to answer a question with an error. A form that nobody fills in was cancelled; but words that no model
 * said, or a list of roots that nobody gave, would be made up: then the call ends here, as its server had not gone on.
 */
function responsesTo(
  requests: Readonly<Record<string, Ask>>,
  answers: Readonly<Record<string, AskAnswer>>,
): Readonly<Record<string, unknown>> | string {
  const responses: Record<string, unknown> = {};
  for (const [key, { method }] of Object.entries(requests)) {
    const answer = answers[key] ?? nobody;
    if (answer.kind === "answer") responses[key] = answer.result;
    else if (method === "elicitation/create") responses[key] = { action: "cancel" };
    else return `the client did not answer ${method}`;
  }
  return responses;
}

const abandoned = (detail: string): Reply => notCarriedOut({ code: "input-abandoned", detail });

/** With an intent, the row says how it stands, and this request only says so; a `read` without one ends by itself. */
const lost = (call: Executing, refusal: Parameters<typeof notCarriedOut>[0]): Reply | Stop =>
  call.intent === null
    ? notCarriedOut(refusal)
    : new Stop({ kind: "held", answer: { kind: "refused", refusal, receipt: null } });
