import { nodeLeaseName } from "./node-lease-name.ts";
import type { CancelTimer, Clock } from "../base/index.ts";
import { deadlineIn, delay, msOf, remainingMs } from "../base/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Store } from "../store/index.ts";
import { isWaiting, leaseOf, signal, takeBack } from "../store/index.ts";
import type { AskAnswer } from "../upstream/index.ts";

/** Between two looks at the store, on both sides. */
const pollMs = 100;
/** A node that lives looks ten times a second; one that has not in this time has no question open any more. */
const patienceMs = 5_000;
/** Taken in one look. */
const lettersPerLook = 64;
/** On their way at once from this node, and of one client: it answers one question at a time, or a few. */
const deliveringMax = 256;
const deliveringOfOneMax = 16;

/** Where a question waits for its answer: a node, under one lease. */
export interface AskedAt {
  readonly node: string;
  readonly fence: number;
}

export interface Letter {
  /** Which client was asked; opaque. Nobody else's answer is taken. */
  readonly client: string;
  /** The question's id. */
  readonly question: string;
  readonly answer: AskAnswer;
}

/** Whoever has questions open on this node. */
export interface AnswerDesk {
  readonly hasOpen: boolean;
  /** False = that client has no such question open any more. */
  take(letter: Letter): boolean;
}

/** `gone`: the question is not open any more, or its node has gone and its call with it. `busy`: too many are on their way. */
export type Delivery = "taken" | "gone" | "busy";

/** Answers that arrive on another node than the one whose call asked. */
export interface AnswersElsewhere {
  /** For the ids of questions that are asked here. */
  readonly here: AskedAt;
  /** Looks for answers that arrived elsewhere, as long as the desk has questions open. Call it for each new one. */
  watch(desk: AnswerDesk): void;
  /** The sender has made sure that the client is the one it says. Rejects with a Fault when the store fails. */
  deliver(at: AskedAt, letter: Letter, signal: AbortSignal): Promise<Delivery>;
}

/**
 * Carries them as signals of the store, sealed: what people say does not lie about in the open. A letter that nobody has read is taken
 * back by its sender, so that none is left behind.
 */
export class AnswerLetters implements AnswersElsewhere {
  readonly here: AskedAt;
  private readonly clock: Clock;
  private readonly store: Store;
  private readonly keys: Keys;
  private readonly onTrouble: (doing: string, thrown: unknown) => void;
  private readonly delivering = new Map<string, number>();
  private onTheirWay = 0;
  private isLooking = false;
  private isStopped = false;
  private cancelLook: CancelTimer = () => undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly store: Store;
    readonly keys: Keys;
    readonly node: { readonly name: string; readonly fence: number };
    readonly onTrouble: (doing: string, thrown: unknown) => void;
  }) {
    this.here = { node: options.node.name, fence: options.node.fence };
    this.clock = options.clock;
    this.store = options.store;
    this.keys = options.keys;
    this.onTrouble = options.onTrouble;
  }

  watch(desk: AnswerDesk): void {
    if (this.isLooking || this.isStopped || !desk.hasOpen) return;
    this.isLooking = true;
    this.cancelLook = this.clock.after(pollMs, () => {
      void this.read(desk)
        .catch((thrown: unknown) => this.onTrouble("reading answers from other nodes", thrown))
        .finally(() => {
          this.isLooking = false;
          this.watch(desk);
        });
    });
  }

  async deliver(at: AskedAt, letter: Letter, aborted: AbortSignal): Promise<Delivery> {
    if (at.node === this.here.node && at.fence === this.here.fence) return "gone";
    const ofClient = this.delivering.get(letter.client) ?? 0;
    if (this.onTheirWay >= deliveringMax || ofClient >= deliveringOfOneMax) return "busy";
    this.onTheirWay++;
    this.delivering.set(letter.client, ofClient + 1);
    try {
      return await this.send(at, letter, aborted);
    } finally {
      this.onTheirWay--;
      const left = (this.delivering.get(letter.client) ?? 1) - 1;
      if (left === 0) this.delivering.delete(letter.client);
      else this.delivering.set(letter.client, left);
    }
  }

  stop(): void {
    this.isStopped = true;
    this.cancelLook();
  }

  private async send(at: AskedAt, letter: Letter, aborted: AbortSignal): Promise<Delivery> {
    const { store, clock } = this;
    if (!(await this.isAlive(at))) return "gone";
    const topic = topicOf(at);
    const key = letter.question;
    const put = await store.commit([signal({ topic, key, payload: await this.sealed(letter) })]);
    if (put.verdict !== "done") return "busy"; // the same answer, sent a moment ago
    const deadline = deadlineIn(clock, patienceMs);
    for (;;) {
      await delay(clock, pollMs);
      if (!(await isWaiting(store, topic, key))) return "taken";
      if (!aborted.aborted && remainingMs(clock, deadline) > 0 && (await this.isAlive(at))) continue;
      const back = await store.commit([takeBack(topic, key)]);
      return back.verdict === "done" ? "gone" : "taken";
    }
  }

  private async read(desk: AnswerDesk): Promise<void> {
    for (const { key, payload } of await this.store.takeSignals(topicOf(this.here), lettersPerLook)) {
      const letter = await this.opened(payload);
      if (letter.question === key) desk.take(letter); // the key beside it is not sealed
    }
  }

  /** The node's lease with that very fence is still held: it may be slow, and is not dead. */
  private async isAlive({ node, fence }: AskedAt): Promise<boolean> {
    const lease = await leaseOf(this.store, nodeLeaseName(node));
    return lease?.fence === fence && msOf(lease.expiresAt) > msOf(await this.store.now());
  }

  private async sealed(letter: Letter): Promise<string> {
    const key = await this.keys.scopeKey(scope);
    return Buffer.from(this.keys.seal(key, JSON.stringify(letter), scope)).toString("base64");
  }

  private async opened(text: string): Promise<Letter> {
    const key = await this.keys.scopeKey(scope);
    const bytes = this.keys.open(key, Buffer.from(text, "base64"), scope);
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as Letter; // sealed by one of our nodes
  }
}

const scope = "answer-letters";

const topicOf = ({ node, fence }: AskedAt): string => `answers/${node}/${fence}`;
