import type { MonotonicMs, Random } from "../base/index.ts";
import { delay, elapsedMs, explain, newId, ok, plusMs, randomBelow, remainingMs } from "../base/index.ts";
import type { CallId, EntryId, OpenCall } from "../ledger/index.ts";
import { listOpenCalls, readOpenCall } from "../ledger/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { House, Verifying } from "./house.ts";
import { ownCall } from "./own-call.ts";
import { isStoreFault } from "./store-refusal.ts";
import type { Question } from "./verify-question.ts";
import { questionAbout, verdictOf } from "./verify-question.ts";
import { settleVerified } from "./verify-settle.ts";
import type { Patience } from "./within-time.ts";
import { withinTime } from "./within-time.ts";

/** By itself the node asks so often about one call, over about an hour; after that it asks only when a caller comes back. */
const triesMax = 12;
const firstPauseMs = 5_000;
const pauseMsMax = 600_000;
/** Who waits is answered sooner. */
const firstJoinPauseMs = 500;
const joinPauseMsMax = 5_000;
/** So soon whoever waits notices that its caller has gone or the node stops. */
const noticeMs = 250;
/** Questions at once: after a crash there may be hundreds, and the server has other work. */
const lanes = 4;
/** Unknown calls of one tenant that are looked through; the rest has its turn when these are settled. */
const unknownMax = 1_000;
const whyCharsMax = 300;

/** What is being tried for a call whose outcome is unknown. */
export interface Trying {
  /** How often the verify tool was asked, or could not be. */
  readonly tries: number;
  /** Why it is still unknown; null = not known yet. */
  readonly last: string | null;
  /** Until the node asks again by itself; null = it does not any more. */
  readonly nextInMs: number | null;
}

interface Attempts {
  tries: number;
  last: string | null;
  nextAt: MonotonicMs;
  running: Promise<Try> | null;
}

/** How one try ended. `againInMs`: the soonest that another makes sense; null = waiting for it does not. */
type Try =
  | { readonly kind: "settled" }
  | { readonly kind: "unsettled"; readonly why: string; readonly againInMs: number | null };

/**
 * Asks verify tools about the calls of this node whose outcome is unknown: in the background, and at once when a caller has come back
 * for one. One question about a call at a time, which all who wait for it share. How often was asked is forgotten with the process.
 */
export class Verifications implements Verifying {
  private readonly call: (input: CallInput) => Promise<CallAnswer>;
  private readonly attempts = new Map<CallId, Attempts>();
  private isRounding = false;

  /** `call`: a question is a governed call like any other. */
  constructor(call: (input: CallInput) => Promise<CallAnswer>) {
    this.call = call;
  }

  trying(call: CallId, now: MonotonicMs): Trying | null {
    const found = this.attempts.get(call);
    if (found === undefined) return null;
    const { tries, last, nextAt } = found;
    return { tries, last, nextInMs: tries >= triesMax ? null : Math.max(0, elapsedMs(nextAt, now)) };
  }

  async join(call: CallId, patience: Patience, house: House): Promise<string | null> {
    const { clock } = house;
    for (let round = 0; ; round++) {
      const end = await withinTime(this.ask(call, house), patience, clock);
      if (end === null) return "it has not answered yet";
      if (end.kind === "settled") return null;
      if (end.againInMs === null) return end.why;
      const pauseMs = Math.max(end.againInMs, doubled(firstJoinPauseMs, round, joinPauseMsMax));
      if (pauseMs >= remainingMs(clock, patience.deadline)) return end.why;
      for (let leftMs = pauseMs; leftMs > 0; leftMs -= noticeMs) {
        if (patience.signal?.aborted === true || house.isStopping()) return end.why;
        await delay(clock, Math.min(leftMs, noticeMs));
      }
    }
  }

  /** Asks about all whose time has come. Never rejects; a round that begins while another is under way does nothing. */
  async round(house: House): Promise<void> {
    if (this.isRounding) return;
    this.isRounding = true;
    try {
      const due = await this.due(house);
      const lane = async (): Promise<void> => {
        for (let call = due.pop(); call !== undefined && !house.isStopping(); call = due.pop())
          await this.ask(call, house);
      };
      await Promise.all(Array.from({ length: lanes }, lane));
    } catch (thrown) {
      house.onTrouble("looking for calls to verify", thrown);
    } finally {
      this.isRounding = false;
    }
  }

  /** The oldest last, so that they are taken first. Forgets the calls that are settled. */
  private async due(house: House): Promise<CallId[]> {
    const now = house.clock.monotonic();
    const due: CallId[] = [];
    const standing = new Set<CallId>();
    for (const tenant of house.tenants()) {
      for (const open of await listOpenCalls(house.store, tenant, "unknown", { limit: unknownMax })) {
        if (open.class !== "verifiable") continue;
        standing.add(open.call);
        const { tries, nextAt, running } = this.of(open.call, now);
        if (running === null && tries < triesMax && elapsedMs(nextAt, now) <= 0) due.push(open.call);
      }
    }
    for (const [call, { running }] of this.attempts)
      if (running === null && !standing.has(call)) this.attempts.delete(call);
    return due.toReversed();
  }

  private of(call: CallId, now: MonotonicMs): Attempts {
    const found = this.attempts.get(call);
    if (found !== undefined) return found;
    const fresh = { tries: 0, last: null, nextAt: now, running: null };
    this.attempts.set(call, fresh);
    return fresh;
  }

  private ask(call: CallId, house: House): Promise<Try> {
    const attempts = this.of(call, house.clock.monotonic());
    attempts.running ??= this.tryOnce(call, attempts, house).finally(() => (attempts.running = null));
    return attempts.running;
  }

  private async tryOnce(call: CallId, attempts: Attempts, house: House): Promise<Try> {
    let end: Try;
    try {
      end = await this.askOnce(call, house);
    } catch (thrown) {
      if (!isStoreFault(thrown)) house.onTrouble(`verifying call ${call}`, thrown);
      end = { kind: "unsettled", why: explain(thrown), againInMs: isStoreFault(thrown) ? 0 : null };
    }
    if (end.kind === "settled") {
      this.attempts.delete(call);
      return end;
    }
    const pauseMs = doubled(firstPauseMs, attempts.tries, pauseMsMax);
    attempts.tries++;
    attempts.last = end.why.slice(0, whyCharsMax);
    // Of a no that comes too early the time is known at which it will count.
    const nextInMs =
      end.againInMs === null || end.againInMs === 0 ? jittered(pauseMs, house.random) : end.againInMs;
    attempts.nextAt = plusMs(house.clock.monotonic(), nextInMs);
    return { ...end, why: attempts.last };
  }

  private async askOnce(call: CallId, house: House): Promise<Try> {
    const open = await readOpenCall(house.store, call);
    if (open?.state !== "unknown") return { kind: "settled" };
    const question = await questionAbout(open, house);
    if (typeof question === "string") return { kind: "unsettled", why: question, againInMs: null };
    // A no counts if it was asked for when nothing could be sent any more: what is read before the question is never too late.
    const waitMs = elapsedMs(plusMs(open.dispatchBy, house.limits.leaseMs), await house.store.now());
    const answer = await this.call(this.inputFor(question, house));
    return this.settle(open, question, answer, waitMs, house);
  }

  private async settle(
    open: OpenCall,
    question: Question,
    answer: CallAnswer,
    waitMs: number,
    house: House,
  ): Promise<Try> {
    const verdict = verdictOf(answer);
    if (verdict.kind === "no-answer")
      return { kind: "unsettled", why: verdict.why, againInMs: verdict.passes ? 0 : null };
    if (verdict.kind === "did-not-happen" && waitMs > 0)
      return {
        kind: "unsettled",
        why: "it has not happened, but may still be on its way",
        againInMs: waitMs,
      };
    const { receipt } = answer;
    if (receipt === null) return { kind: "unsettled", why: "its answer is not on record", againInMs: 0 };
    await settleVerified(open, question, verdict, receipt.entry as EntryId, house);
    // If not by this, then by somebody who was faster.
    return { kind: "settled" };
  }

  private inputFor({ principal, verifyTool, arguments: args, about }: Question, house: House): CallInput {
    const { clock, random } = house;
    return ownCall(
      {
        requestId: newId("verify", clock.wall(), random),
        authenticate: () => ok(principal),
        name: verifyTool.exposedName,
        arguments: args,
        about,
      },
      clock,
    );
  }
}

const doubled = (firstMs: number, times: number, maxMs: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(times, 30));

const jittered = (ms: number, random: Random): number => ms / 2 + randomBelow(random, Math.ceil(ms / 2) + 1);
