import type { Deadline, Result } from "../base/index.ts";
import { commitment, deadlineIn, elapsedMs, ok, plusMs, refuse } from "../base/index.ts";
import { estimatedTokens } from "../budgets/index.ts";
import type { Principal } from "../identity/index.ts";
import {
  isExpired,
  keyKeptMs,
  keyPlace,
  newRun,
  runDeadline,
  ownerOf,
  readClaim,
  readRun,
  stepDigest,
  stepPlace,
} from "../ledger/index.ts";
import type { Subject } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import { afterDoubt } from "./doubt.ts";
import { ExtendableDeadline } from "./extendable-deadline.ts";
import type { House } from "./house.ts";
import { withIdempotencyKey } from "./idempotency-key.ts";
import type { RepeatNames } from "./request-meta.ts";
import { namesText, repeatNames } from "./request-meta.ts";
import type { Authenticated, NamedRun, Planned, Repeat } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop, refused } from "./station.ts";
import { openState } from "./request-state.ts";
import type { RequestState } from "./round.ts";
import { saltOf } from "./salts.ts";
import { argumentsTextOf, subjectOf } from "./subject.ts";
import { runInReview, unprovenName } from "./held-in-review.ts";
import { awaitedCall, isWait } from "./wait-for-call.ts";

/**
 * Which tool, with which arguments, and what is its digest? A call that names a run, step or key also reads what is on record
 * there. Does not ask whether the tool is well or the arguments fit: what is on record must come back either way.
 */
export const plan: Station<Authenticated, Planned> = {
  name: "plan",
  visit(call, house) {
    if (isWait(call.input)) return awaited(call, house);
    const { principal, input } = call;
    const subject = subjectOf(principal, input, house.registry);
    if (!subject.ok) return refused(subject.refusal);
    const names = repeatNames(input.meta);
    if (!names.ok) return refused(names.refusal);
    const state = input.round?.requestState ?? null;
    if (state !== null) return returned(call, house, subject.value, names.value, state);
    if (names.value === null) {
      const salt = house.random.bytes(16);
      return planned(call, house, subject.value, { run: null, repeat: null, salt });
    }
    return named(principal, names.value, house).then((found) => {
      if (!found.ok) return refused(found.refusal);
      // It may be on record in what the database has lost.
      if (house.ledger.doubt.isOn && isNotOnRecord(found.value)) return afterDoubt(call, house);
      return planned(call, house, subject.value, found.value);
    });
  },
};

/** A request that waits for a call is that call from here on. */
async function awaited(call: Authenticated, house: House): Promise<Planned | Stop> {
  const found = await awaitedCall(call, house);
  if (!found.ok) return refused(found.refusal);
  const { input, state, patienceMs } = found.value;
  const subject = subjectOf(call.principal, input, house.registry);
  if (!subject.ok) return refused(subject.refusal);
  const names = repeatNames(input.meta);
  if (!names.ok) return refused(names.refusal);
  const own = Object.assign(call, { input });
  const given = input.round?.requestState ?? null;
  // Its server has asked something, and this brings the answers.
  const round = await (given === null
    ? roundOf(own, house, subject.value, names.value, state)
    : returned(own, house, subject.value, names.value, given));
  return round instanceof Stop ? round : Object.assign(round, { patience: patienceMs });
}

interface OnRecord {
  readonly run: NamedRun | null;
  readonly repeat: Repeat | null;
  readonly salt: Uint8Array | null;
}

/**
 * Another round of a call that is open: the same call id and the same salt, if it is the same request of the same principal. When
 * the step it names belongs to another call by now, what counts is what that one has come to.
 */
async function returned(
  call: Authenticated,
  house: House,
  subject: Subject,
  names: RepeatNames | null,
  stateText: string,
): Promise<Planned | Stop> {
  const state = await openState(stateText, call.principal, house);
  if (!state.ok) return refused(state.refusal);
  if (state.value.names !== namesText(call.input.meta)) return refused(otherRequest);
  if (!state.value.isForApproval) return roundOf(call, house, subject, names, state.value);
  // The answers were to our own question: its server has not asked anything yet.
  const answered = call.input.round?.inputResponses ?? null;
  const own = Object.assign(call, { input: { ...call.input, round: null } });
  const round = await roundOf(own, house, subject, names, state.value);
  return round instanceof Stop ? round : Object.assign(round, { answered });
}

async function roundOf(
  call: Authenticated,
  house: House,
  subject: Subject,
  names: RepeatNames | null,
  value: RequestState,
): Promise<Planned | Stop> {
  const found = names === null ? ok(unnamed) : await named(call.principal, names, house);
  if (!found.ok) return refused(found.refusal);
  const { repeat } = found.value;
  if (repeat !== null && repeat.found !== null && !repeat.isPast && repeat.found.call !== value.call)
    return planned(call, house, subject, found.value);
  const own = call.id;
  call.id = value.call;
  const round = planned(call, house, subject, { ...found.value, salt: Buffer.from(value.salt, "base64") });
  if (round.stepDigest === value.stepDigest) return Object.assign(round, { returns: value });
  call.id = own;
  return refused(otherRequest);
}

const otherRequest = {
  code: "state-invalid",
  detail: "it belongs to a request with other arguments",
} as const;

const isNotOnRecord = ({ run, repeat }: OnRecord): boolean =>
  (run !== null && run.creation !== null) || (repeat !== null && (repeat.found === null || repeat.isPast));

const unnamed: OnRecord = { run: null, repeat: null, salt: null };

function planned(call: Authenticated, house: House, subject: Subject, found: OnRecord): Planned {
  const given = withIdempotencyKey(subject, call, found);
  const argumentsText = argumentsTextOf(subject, call.input.method, given);
  // An erased record leaves no salt, so nothing can be compared any more, and `recall` says so. What the refusal leaves in ledger
  // and log is salted all the same: nobody can guess arguments from it.
  const argumentsCommitment = commitment(found.salt ?? house.random.bytes(16), argumentsText);
  return Object.assign(call, {
    ...found,
    subject,
    arguments: given,
    argumentsText,
    argumentsCommitment,
    stepDigest: stepDigest({
      method: call.input.method,
      serverId: subject.server.id,
      name: subject.name,
      argumentsCommitment,
    }),
    deadline: earlier(call, house, subject.server.callTimeoutMs),
    returns: null,
    waiting: null,
    sentBefore: null,
    patience: null,
    answered: null,
    budget: { calls: 1, argumentTokens: estimatedTokens(argumentsText.length) },
  });
}

function earlier(call: Authenticated, house: House, timeoutMs: number): Deadline {
  // Where the server may ask back, a person's time to answer is added while the question is open.
  const own =
    call.input.profile === noCapabilities
      ? deadlineIn(house.clock, timeoutMs)
      : new ExtendableDeadline(house.clock, timeoutMs);
  const asked = call.input.deadline;
  return asked !== null && elapsedMs(asked.at, own.at) < 0 ? asked : own;
}

async function named(principal: Principal, names: RepeatNames, house: House): Promise<Result<OnRecord>> {
  const run = names.run === null ? ok(null) : await runNamed(principal, names.run, names, house);
  if (!run.ok) return run;
  const place =
    names.key !== null
      ? keyPlace(ownerOf(principal), names.key)
      : run.value !== null && names.step !== null
        ? stepPlace(run.value.record.run, names.step)
        : null;
  if (place === null) return ok({ run: run.value, repeat: null, salt: house.random.bytes(16) });
  // A step is kept as long as its run.
  const now = names.key === null ? null : await house.store.now();
  // In a run that is drawn here nothing can be on record.
  const isFirst = names.key === null && run.value !== null && run.value.creation !== null;
  const found = isFirst ? null : await readClaim(house.store, principal.tenant, place);
  // An open one counts however old it is: its call still has to end.
  const isPast = found !== null && found.state !== "open" && now !== null && isExpired(found, now);
  const review = names.key === null ? null : house.ledger.review(principal.tenant);
  // One whose last try had failed may have been tried again.
  if (review !== null && (found === null || isPast || found.state === "released"))
    return refuse(unprovenName(review, `what came of key "${place.name}"`));
  const repeat: Repeat = {
    place,
    expiresAt: now === null ? null : plusMs(now, keyKeptMs),
    found,
    isPast,
  };
  // A released step may only be entered again with the same digest, so its salt is needed too.
  const salt = found === null || isPast ? house.random.bytes(16) : await saltOf(found, house);
  return ok({ run: run.value, repeat, salt });
}

async function runNamed(
  principal: Principal,
  name: string,
  names: RepeatNames,
  house: House,
): Promise<Result<NamedRun>> {
  const found = await readRun(house.store, principal, name);
  if (found === null) {
    const review = house.ledger.review(principal.tenant);
    if (review !== null) return refuse(unprovenName(review, `run "${name}"`));
    const { run, write } = newRun(principal, name, house, {
      aliveUntil: null,
      deadline: runDeadline(house.storeClock.now(), null),
      hook: null,
    });
    return attemptFits(names, run.attempt) ?? ok({ record: run, step: names.step, creation: write });
  }
  if (found.state === "review") return refuse(runInReview(name));
  if (found.state !== "open") return refuse({ code: "run-ended", detail: `run "${name}" is ${found.state}` });
  return attemptFits(names, found.attempt) ?? ok({ record: found, step: names.step, creation: null });
}

function attemptFits(names: RepeatNames, current: number): Result<never> | null {
  if (names.attempt === null || names.attempt === current) return null;
  if (names.attempt < current) {
    return refuse({
      code: "stale-attempt",
      detail: `attempt ${names.attempt} was replaced by attempt ${current}`,
      evidence: { attempt: names.attempt, current },
    });
  }
  return refuse({
    code: "invalid-params",
    detail: `attempt ${names.attempt} has not been attached; the current one is ${current}`,
  });
}
