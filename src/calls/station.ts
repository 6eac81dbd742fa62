import type { Refusal } from "../../contract/index.ts";
import type { CallAnswer } from "./call.ts";
import type { House } from "./house.ts";

/** Leaves the line before its end. */
export class Stop {
  readonly reason:
    | { readonly kind: "refused"; readonly refusal: Refusal }
    /** The answer is on record already: no policy, budget or approval is touched. */
    | { readonly kind: "recalled"; readonly answer: CallAnswer }
    /** The server is not done: the call stays open, and what is needed to go on is durable or in the caller's hands. */
    | { readonly kind: "held"; readonly answer: CallAnswer }
    /** It has ended before anything was sent, and that is on record already. */
    | { readonly kind: "ended"; readonly answer: CallAnswer }
    /** Somebody else claimed the same step between our look and our write: go back to `plan`. */
    | { readonly kind: "again" };

  constructor(reason: Stop["reason"]) {
    this.reason = reason;
  }
}

export const refused = (refusal: Refusal): Stop => new Stop({ kind: "refused", refusal });

/**
 * One check, one file. Takes what earlier stations found and returns the call enriched, or a stop. A station that needs no I/O
 * answers without a promise, so a call whose facts are all in memory crosses the line in one turn until its first write.
 */
export interface Station<In, Out> {
  readonly name: string;
  readonly visit: (call: In, house: House) => Out | Stop | Promise<Out | Stop>;
}

/** Compiles only when each station takes what the one before it gives. */
export type Line<Stations extends readonly unknown[]> = Stations extends readonly [
  Station<infer _First, infer Out>,
  infer Next,
  ...infer Rest,
]
  ? Next extends Station<infer In, infer _Out>
    ? [Out] extends [In]
      ? Line<readonly [Next, ...Rest]>
      : never
    : never
  : true;
