import { deadlineIn } from "../base/index.ts";
import type { Ask, AskAnswer, Round } from "../upstream/index.ts";
import type { CallInput } from "./call.ts";
import { ExtendableDeadline, answerWaitMs } from "./extendable-deadline.ts";
import type { House } from "./house.ts";
import { withoutSecrets } from "./progress.ts";
import { recordLateIntent } from "./record-intent.ts";
import type { Executed, Intended } from "./stages.ts";
import type { Stop } from "./station.ts";
import { waitForCaller } from "./waiting-places.ts";
import { withinTime } from "./within-time.ts";

export type Executing = Intended & Pick<Executed, "inputs">;

/** A server that asks without end keeps a person busy and a call open. */
export const asksMax = 32;

/** What the caller brings along for the server's first exchange in this request. A state that is past belongs to another call. */
export function firstRound(call: Intended): Round | null {
  const { round } = call.input;
  if (round === null || (round.requestState !== null && call.returns === null)) return null;
  return { inputResponses: round.inputResponses, requestState: call.returns?.upstream ?? null };
}

/**
 * A server of the older era asks while the request is open. A caller of that era is asked in its own session; another gets
 * `input-required` for an answer while the request stays parked here.
 */
export async function askedInMidCall(call: Executing, ask: Ask, house: House): Promise<AskAnswer> {
  if ((call.inputs?.length ?? 0) >= asksMax) return refusal("it asked too often");
  const shown = withoutSecrets(ask.params, call, house);
  if (shown === null) return refusal("the question cannot be shown");
  if ((await held(call, house)) !== null) return refusal("the question cannot be recorded");
  const question: Ask = { method: ask.method, params: shown };
  const leave = waitForCaller(call, house);
  if (leave === null) return refusal(tooManyWait);
  const answer = await patiently(
    call,
    call.input.ask === null
      ? house.parking.ask(call, question, house)
      : asked(call, call.input.ask, { ask: question }, house).then((answers) => answers["ask"] ?? nobody),
  ).finally(leave);
  if (answer.kind === "answer") remember(call, { ask: answer.result });
  return answer;
}

/** The answers of a caller in its session, as far as there are any. Never rejects: who breaks down cannot be asked. */
export async function asked(
  call: Executing,
  ask: NonNullable<CallInput["ask"]>,
  requests: Readonly<Record<string, Ask>>,
  house: House,
): Promise<Readonly<Record<string, AskAnswer>>> {
  const patience = { deadline: deadlineIn(house.clock, answerWaitMs), signal: call.input.signal };
  try {
    return (await withinTime(ask(requests), patience, house.clock)) ?? {};
  } catch {
    return {};
  }
}

/** A person's time is not the server's. */
export const patiently = <T>(call: Executing, work: Promise<T>): Promise<T> =>
  call.deadline instanceof ExtendableDeadline ? call.deadline.during(work) : work;

export function remember(call: Executing, inputs: Readonly<Record<string, unknown>>): void {
  call.inputs = [...(call.inputs ?? []), inputs];
}

/** One intent, however many questions a server asks at once. */
const beingRecorded = new WeakMap<Intended, Promise<Stop | null>>();

function held(call: Intended, house: House): Promise<Stop | null> {
  const known = beingRecorded.get(call) ?? recordLateIntent(call, house);
  beingRecorded.set(call, known);
  return known;
}

export const tooManyWait = "too many calls wait for answers of their callers";

/** JSON-RPC's internal error: the client was asked and has no answer. */
const refusal = (message: string): AskAnswer => ({ kind: "refused", error: { code: -32603, message } });
export const nobody = refusal("nobody answered");
