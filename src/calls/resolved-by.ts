import type { CallId, Entry, EntryId } from "../ledger/index.ts";

/**
 * The three ways out of an unknown outcome.
 *  person       somebody looked, and said so
 *  verify-tool  the tool that its class names was asked
 *  sent-again   its class says that repeating it is harmless: another call stands for it from there on
 */
export const resolvers = ["person", "verify-tool", "sent-again"] as const;
export type Resolver = (typeof resolvers)[number];

/** What the `resolve` entry of each says was done. */
export const methodOf = {
  person: "admin.call.resolve",
  "verify-tool": "call.verify",
  "sent-again": "call.send-again",
} as const satisfies Record<Resolver, string>;

export interface ResolvedBy {
  readonly by: Resolver;
  readonly entry: EntryId;
  /** The call that asked the verify tool, or that was sent again; null = it was a person. */
  readonly call: CallId | null;
}

/** What settled an unknown outcome, read from its last entry; null = this entry settles none. */
export function resolvedBy({ kind, method, id, after }: Entry): ResolvedBy | null {
  if (kind !== "resolve") return null;
  const by = resolvers.find((each) => methodOf[each] === method) ?? "person";
  // Such an entry follows one of the call that settled it.
  const call = by === "person" || after === null ? null : (after.slice(0, after.indexOf(":")) as CallId);
  return { by, entry: id, call };
}
