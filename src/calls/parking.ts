import type { CancelTimer, Clock, Random } from "../base/index.ts";
import { newId } from "../base/index.ts";
import type { CallId } from "../ledger/index.ts";
import type { Ask, AskAnswer } from "../upstream/index.ts";
import type { CallAnswer } from "./call.ts";
import { answerWaitMs } from "./extendable-deadline.ts";
import type { House, ParkedCalls } from "./house.ts";
import { askElsewhere, letterPollMs, readLetters } from "./parking-elsewhere.ts";
import type { ParkedAt } from "./round.ts";
import { sealState } from "./request-state.ts";
import type { Intended, Planned } from "./stages.ts";
import { isStoreFault } from "./store-refusal.ts";
import type { Patience } from "./within-time.ts";
import { stillOpen, withinTime } from "./within-time.ts";

/** Each holds a connection to a server, and on stdio perhaps the only one. */
const parkedMax = 1_000;
/** Requests of a caller that wait at once for what its call does next. One does, and a few that the network has lost. */
const waitersMax = 16;

interface Question {
  readonly ask: Ask;
  readonly resolve: (answer: AskAnswer) => void;
}

type Waiter = (answer: CallAnswer) => void;

interface Parked {
  readonly id: string;
  readonly call: Intended;
  readonly questions: Map<string, Question>;
  /** Requests of the caller that wait for what comes next. */
  readonly waiting: Set<Waiter>;
  asked: number;
  round: number;
  cancelWait: CancelTimer;
}

/**
 * Calls that are held open here, because their server asked something in mid-call and knows no rounds, while their caller knows
 * nothing else. The caller is answered `input-required`; its next request brings the answers and gets what comes next: another
 * question, or the end. What the call does meanwhile, it does as any other.
 */
export class Parking implements ParkedCalls {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly byId = new Map<string, Parked>();
  private readonly byCall = new Map<CallId, Parked>();
  private isClosed = false;
  private isLooking = false;
  private cancelLook: CancelTimer = () => undefined;

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.clock = options.clock;
    this.random = options.random;
  }

  get size(): number {
    return this.byId.size;
  }

  /** Puts a question of the call's server to its caller. Resolves with the answer, or with a refusal to pass on. */
  ask(call: Intended, ask: Ask, house: House): Promise<AskAnswer> {
    const parked = this.byCall.get(call.id) ?? this.park(call);
    this.lookForLetters(house);
    if (parked === null) return Promise.resolve(nobody("too many calls wait for input"));
    return new Promise((resolve) => {
      parked.asked++;
      parked.questions.set(`ask${parked.asked}`, { ask, resolve });
      this.waitAnew(parked);
      // Questions that a server asks at once are put at once.
      queueMicrotask(() => void this.tell(parked, house));
    });
  }

  /** The caller came back: takes its answers, and waits for what comes next. null = there is no such call here any more. */
  async answer(park: ParkedAt, call: Planned, house: House): Promise<CallAnswer | null> {
    const inputs = call.input.round?.inputResponses ?? {};
    if (park.node !== house.node.name) return askElsewhere(park, inputs, call, house);
    const patience = { deadline: call.deadline, signal: call.input.signal };
    return park.fence === house.node.fence ? this.take(park.id, inputs, patience, house) : null;
  }

  /**
   * The caller lost its state and names the step anew: it gets the questions that are open, if it can answer what the first one could.
   */
  join(id: CallId, by: Planned, house: House): Promise<CallAnswer> | null {
    const parked = this.byCall.get(id);
    if (parked === undefined || by.input.ask !== null) return null;
    if (by.input.profile.key !== parked.call.input.profile.key) return null;
    return this.next(parked, {}, { deadline: by.deadline, signal: by.input.signal }, house);
  }

  /** As `answer`, for a request that arrived on another node. */
  async take(
    id: string,
    inputs: Readonly<Record<string, unknown>>,
    patience: Patience,
    house: House,
  ): Promise<CallAnswer | null> {
    const parked = this.byId.get(id);
    return parked === undefined ? null : this.next(parked, inputs, patience, house);
  }

  /** Nobody answers any more: the servers are told, and their calls end. */
  close(): void {
    this.isClosed = true;
    this.cancelLook();
    for (const parked of this.byId.values()) this.giveUp(parked);
  }

  private async next(
    parked: Parked,
    inputs: Readonly<Record<string, unknown>>,
    patience: Patience,
    house: House,
  ): Promise<CallAnswer> {
    let waiter: Waiter = () => undefined;
    const told = new Promise<CallAnswer>((resolve) => (waiter = resolve));
    parked.waiting.add(waiter);
    const [oldest] = parked.waiting;
    if (parked.waiting.size > waitersMax && oldest !== undefined) {
      parked.waiting.delete(oldest);
      oldest(tooMany);
    }
    for (const [key, question] of parked.questions) {
      const result = inputs[key];
      if (typeof result !== "object" || result === null || Array.isArray(result)) continue;
      parked.questions.delete(key);
      question.resolve({ kind: "answer", result: result as Readonly<Record<string, unknown>> });
    }
    // What was not answered is asked again (MCP 2026-07-28, basic/patterns/mrtr).
    void this.tell(parked, house);
    const answer = await withinTime(told, patience, this.clock);
    parked.waiting.delete(waiter);
    return answer ?? stillOpen(patience);
  }

  private park(call: Intended): Parked | null {
    if (this.isClosed || this.byId.size >= parkedMax) return null;
    const parked: Parked = {
      id: newId("park", this.clock.wall(), this.random),
      call,
      questions: new Map(),
      waiting: new Set([call.answerEarly]),
      asked: 0,
      round: 0,
      cancelWait: () => undefined,
    };
    this.byId.set(parked.id, parked);
    this.byCall.set(call.id, parked);
    void call.whole().then(
      (answer) => this.end(parked, answer),
      () => this.end(parked, broken),
    );
    return parked;
  }

  /** Answers that arrived on other nodes; looked for only while a call is parked here. */
  private lookForLetters(house: House): void {
    if (this.isLooking || this.isClosed || this.byId.size === 0) return;
    this.isLooking = true;
    this.cancelLook = this.clock.after(letterPollMs, () => {
      void readLetters(house)
        .catch((thrown: unknown) => house.onTrouble("reading answers from other nodes", thrown))
        .finally(() => {
          this.isLooking = false;
          this.lookForLetters(house);
        });
    });
  }

  /** Never rejects. Whoever waits is told of all questions that are open; with none, it waits on. */
  private async tell(parked: Parked, house: House): Promise<void> {
    if (parked.questions.size === 0 || parked.waiting.size === 0) return;
    const waiting = [...parked.waiting];
    parked.waiting.clear();
    parked.round++;
    const inputRequests: Record<string, Ask> = {};
    for (const [key, { ask }] of parked.questions) inputRequests[key] = ask;
    const answer = await this.asking(parked, inputRequests, house);
    for (const resolve of waiting) resolve(answer);
  }

  private async asking(
    { id, round, call }: Parked,
    inputRequests: Readonly<Record<string, Ask>>,
    house: House,
  ): Promise<CallAnswer> {
    const { name: node, fence } = house.node;
    try {
      const requestState = await sealState(call, { upstream: null, park: { id, node, fence, round } }, house);
      const text = JSON.stringify({ resultType: "input_required", inputRequests, requestState });
      return { kind: "input-required", text, receipt: null };
    } catch (thrown) {
      if (!isStoreFault(thrown)) house.onTrouble(`asking the caller of ${call.id}`, thrown);
      const refusal = { code: "ledger-unavailable", detail: "its server's question waits" } as const;
      return { kind: "refused", refusal, receipt: null };
    }
  }

  private waitAnew(parked: Parked): void {
    parked.cancelWait();
    parked.cancelWait = this.clock.after(answerWaitMs, () => this.giveUp(parked));
  }

  private giveUp(parked: Parked): void {
    parked.cancelWait();
    const questions = [...parked.questions.values()];
    parked.questions.clear();
    for (const question of questions) question.resolve(nobody("nobody answered"));
  }

  private end(parked: Parked, answer: CallAnswer): void {
    parked.cancelWait();
    this.byId.delete(parked.id);
    this.byCall.delete(parked.call.id);
    for (const resolve of parked.waiting) resolve(answer);
    parked.waiting.clear();
  }
}

const tooMany: CallAnswer = {
  kind: "refused",
  refusal: { code: "too-many-calls", detail: "other requests wait for the same call" },
  receipt: null,
};
const broken: CallAnswer = { kind: "refused", refusal: { code: "internal", detail: "" }, receipt: null };
const nobody = (message: string): AskAnswer => ({ kind: "refused", error: { code: -32603, message } });
