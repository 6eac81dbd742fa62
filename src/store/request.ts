import type { Fault } from "../base/index.ts";
import type { Lease, Signal, WakeUp } from "./store.ts";
import type { Transaction } from "./transaction.ts";

/** What a flush carries, in the order of arrival. Lease requests are served even when the flush's own lease is lost. */
export type Request =
  | { readonly kind: "transaction"; readonly writes: Transaction }
  | { readonly kind: "take-signals"; readonly topic: string; readonly limit: number }
  | { readonly kind: "take-wake-ups"; readonly topic: string; readonly limit: number }
  | { readonly kind: "now" }
  | {
      readonly kind: "acquire-lease";
      readonly name: string;
      readonly holder: string;
      readonly ttlMs: number;
    }
  | { readonly kind: "renew-lease"; readonly lease: Lease; readonly ttlMs: number }
  | { readonly kind: "release-lease"; readonly lease: Lease };

/** The answer to one request: what its kind makes of it, or why this one alone failed (nothing of it was written). */
export type Answer =
  /** transaction: `verdictDone`, or the index of the write whose guard failed. */
  number | Fault | Lease | readonly Signal[] | readonly WakeUp[] | null;

/** A transaction whose writes all happened. */
export const verdictDone = -1;

export interface FlushAnswer {
  readonly storeNowMs: number;
  readonly answers: readonly Answer[];
}

/** The fence a flush has to prove. */
export interface Proof {
  readonly name: string;
  readonly fence: number;
}

/** What carries flushes, in the order they were handed over. Rejects with a Fault when a flush as a whole failed. */
export interface Writer {
  /** How many flushes it may have been handed and not answered yet. Left out: one. */
  readonly flushesMax?: number;
  start(): Promise<void>;
  /** `onCommitting` is called at most once: this one waits for nothing but its commit, and the next may be handed over behind it. */
  flush(requests: readonly Request[], proof: Proof | null, onCommitting?: () => void): Promise<FlushAnswer>;
  stop(): Promise<void>;
  /**
   * The store's time, where it can be told without asking: not before any that was told, and not after what a restart would go on from.
   * Null = it has to be asked. Left out: always.
   */
  readonly tellTime?: () => number | null;
  /** Runs `action` when the flush should go out: soon, after what is about to be handed in as well. */
  soon(action: () => void): void;
  /** Set once the writer can never again carry a flush. */
  readonly deadBecause: Fault | null;
}
