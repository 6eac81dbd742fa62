import { Fault } from "../../base/index.ts";

/** PostgreSQL's five-character code for an error; "" when the error did not come from it (a socket, say). */
export function sqlState(thrown: unknown): string {
  const code = typeof thrown === "object" && thrown !== null && "code" in thrown ? thrown.code : "";
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : "";
}

/** A duplicate key where the statement could not step around it: the write's guard. */
export const isDuplicate = (thrown: unknown): boolean => sqlState(thrown) === "23505";

/** Serialization failure, deadlock, lock not to be had: another try may well succeed. */
export const isRetryable = (thrown: unknown): boolean => /^(40001|40P01|55P03)$/.test(sqlState(thrown));

/**
 * Whether the whole flush is lost, not one statement: the connection, the server (shutting down, no room, no memory, a standby
 * that takes no writes), the transaction's state.
 */
export function isFatal(thrown: unknown): boolean {
  const state = sqlState(thrown);
  return state === "" || /^(08|25|40|53|55|57|58|XX)/.test(state);
}

/** A column or table that the statement names is not there, or not any more. */
export const isGone = (thrown: unknown): boolean => /^(42703|42P01)$/.test(sqlState(thrown));

/** It waited for a table for as long as it was allowed to. */
export const isLockedOut = (thrown: unknown): boolean => sqlState(thrown) === "55P03";

/** The connection is to be given up: the server behind it goes down, or is one that takes no writes. */
export const isServerGoing = (thrown: unknown): boolean => /^(08...|57P0.|25006)$/.test(sqlState(thrown));

export const statementFault = (thrown: unknown): Fault =>
  new Fault("internal", `the store refused a statement: ${messageOf(thrown)}`, {
    effect: "none",
    cause: thrown,
    evidence: { sqlState: sqlState(thrown) },
  });

export function unavailable(thrown: unknown, effect: "none" | "unknown" = "none"): Fault {
  if (thrown instanceof Fault) return thrown;
  const text =
    effect === "none" ? "the database cannot be written" : "the database could not confirm a write";
  return new Fault("store-unavailable", `${text}: ${messageOf(thrown)}`, {
    effect,
    cause: thrown,
    evidence: { sqlState: sqlState(thrown) },
  });
}

const messageOf = (thrown: unknown): string =>
  thrown instanceof AggregateError
    ? thrown.errors.map(messageOf).join("; ")
    : thrown instanceof Error
      ? thrown.message
      : String(thrown);
