import type { Deadline } from "../../base/index.ts";

/** What keeps the subscriptions of one connection at its server. */
export interface Subscriber {
  /** Opens what has to be open before anything is watched. */
  start(): void;
  /** Resolves once the server tells of updates of `uri`; a Fault when it does not. A second call for the same is one. */
  hold(uri: string, deadline: Deadline, signal: AbortSignal): Promise<void>;
  holds(uri: string): boolean;
  release(uri: string): void;
  readonly count: number;
  /** The server has forgotten: nothing is held any more. */
  forgetAll(): void;
  /** Ends streams and timers; the server is told nothing. */
  stop(): void;
}
