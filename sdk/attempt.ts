import type { AttachAnswer } from "../contract/index.ts";
import { AtRest, RunEnded, RunInReview, StaleAttempt, errorFor } from "./errors.ts";
import type { Recovery } from "./model-step.ts";
import type { Wire } from "./wire.ts";
import { ask, pause, readApi } from "./wire.ts";

/** How long a request of ours goes on asking while no node answers: longer than a node takes to start anew. */
const patienceMs = 60_000;

/** A request that waits: below the idle limits of the usual proxies (30 s and 60 s). */
const holdMsMax = 20_000;
/** A process that could rest holds on no longer than so. */
const lookMs = 1_000;

/** This process at work on a run: its attempt, the requests in its name, and the sign of life it gives. */
export class Attempt {
  readonly wire: Wire;
  readonly name: string;
  readonly number: number;
  /** Nothing can be on record yet, so nothing is looked up. */
  readonly isNew: boolean;
  /** Model steps are looked up before they are done, also where nothing can be on record: they may be refused. */
  readonly hasBudget: boolean;
  readonly recovery: Recovery;
  private readonly stop = new AbortController();
  private readonly used = new Set<string>();
  private readonly aliveForMs: number;
  private readonly restAfterMs: number | null;
  /** Steps that are being done, and those among them that only wait. */
  private underWay = 0;
  private waiting = 0;
  /** Ids of runs that are waited for. */
  private readonly children = new Set<string>();

  /** `restAfterMs` null = it waits in this process, however long. */
  constructor(
    wire: Wire,
    attached: Pick<AttachAnswer, "name" | "attempt" | "isNew" | "aliveForMs" | "tokens">,
    restAfterMs: number | null,
    recovery: Recovery = {},
  ) {
    this.recovery = recovery;
    this.hasBudget = attached.tokens.max !== null;
    this.wire = wire;
    this.name = attached.name;
    this.number = attached.attempt;
    this.isNew = attached.isNew;
    this.aliveForMs = attached.aliveForMs;
    this.restAfterMs = restAfterMs;
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  /** From here on every step of this process fails with `reason`. */
  end(reason: unknown): void {
    this.stop.abort(reason);
  }

  /** Says that the agent lives, three times in the time it would otherwise be taken for dead, until the attempt ends. */
  async stayAlive(): Promise<void> {
    try {
      for (;;) {
        await pause(this.aliveForMs / 3, this.signal);
        await this.ask("POST", "/alive", { attempt: this.number }, null);
      }
    } catch (thrown) {
      // Replaced or ended: then this process must do nothing more. When no node answers, the steps will notice by themselves.
      if (thrown instanceof StaleAttempt || thrown instanceof RunEnded || thrown instanceof RunInReview)
        this.end(thrown);
    }
  }

  ask<T>(
    method: "GET" | "POST" | "PUT",
    path: string,
    body: unknown,
    step: string | null,
    signal: AbortSignal = this.signal,
  ): Promise<T> {
    return ask<T>(
      this.wire,
      {
        method,
        path: `/api/v1/runs/${encodeURIComponent(this.name)}${path}`,
        step,
        signal,
        patienceMs,
        ...(body === undefined ? {} : { body }),
      },
      readApi,
    );
  }

  /**
   * One use of a key at a time, and none after it has given something: a loop that forgets to number its keys would otherwise get
   * the first result over and over. What has failed may be tried again.
   */
  async once<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    if (this.used.has(key)) {
      throw errorFor({
        code: "step-mismatch",
        message: "this key was used before in this attempt; give every step a key of its own",
        retry: "never",
        effect: "none",
        step: key,
        receipt: null,
      });
    }
    this.used.add(key);
    this.underWay++;
    try {
      return await work();
    } catch (thrown) {
      this.used.delete(key);
      if (thrown instanceof StaleAttempt || thrown instanceof RunEnded || thrown instanceof RunInReview)
        this.end(thrown);
      throw thrown;
    } finally {
      this.underWay--;
    }
  }

  /** Waits for a run that a step has started. */
  async waitFor<T>(child: string, work: () => Promise<T>): Promise<T> {
    this.children.add(child);
    try {
      return await this.wait(work);
    } finally {
      this.children.delete(child);
    }
  }

  /** Does what is nothing but waiting. */
  async wait<T>(work: () => Promise<T>): Promise<T> {
    this.waiting++;
    try {
      return await work();
    } finally {
      this.waiting--;
    }
  }

  /** How long one request waits before it is asked again: an agent that wants to rest sooner hears sooner that there is nothing yet. */
  get holdMs(): number {
    return Math.min(holdMsMax, this.restAfterMs ?? holdMsMax);
  }

  /** Waits for `ms`, looking every now and then whether other steps are still at work, or this process may end it. */
  async pauseOrRest(ms: number): Promise<void> {
    const endAt = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = endAt - performance.now()) {
      await this.restIfLong(leftMs);
      await pause(this.restAfterMs === null ? leftMs : Math.min(leftMs, lookMs), this.signal);
    }
  }

  /** Called in a wait of `ms`, past or to come: when no other step does anything else, and that is long, this process ends its work. */
  async restIfLong(ms: number): Promise<void> {
    if (this.restAfterMs === null || ms <= this.restAfterMs || this.waiting < this.underWay) return;
    await this.ask("POST", "/rest", { attempt: this.number, children: [...this.children] }, null);
    this.end(new AtRest());
    this.signal.throwIfAborted();
  }
}
