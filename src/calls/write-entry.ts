import type { ReceiptReference } from "../../contract/index.ts";
import type { DataKey } from "../keys/index.ts";
import { entryWrite, sealPayload } from "../ledger/index.ts";
import type { Entry, Payload } from "../ledger/index.ts";
import type { Verdict, Write } from "../store/index.ts";
import { commitment } from "../base/index.ts";
import type { EntryPart, Known } from "./entries.ts";
import { entryOf, sealingScope } from "./entries.ts";
import type { House } from "./house.ts";

export interface Written {
  readonly verdict: Verdict;
  readonly receipt: ReceiptReference;
}

/**
 * Commits one entry of a call together with the writes that belong to it; resolves once durable. The entry is the first write
 * of the transaction. Rejects with the store's Fault.
 */
export function writeEntry(
  house: House,
  call: Known,
  part: Omit<EntryPart, "at">,
  payload: Payload,
  writes: readonly Write[],
): Promise<Written> {
  const at = house.clock.wall();
  const entry = entryOf(call, { ...part, at });
  const scope = sealingScope(call, at);
  // The transaction that makes a run is the first to seal anything under its scope.
  if (makesRun(call, writes)) return withNewKey(house, entry, scope, payload, writes);
  const key = house.keys.scopeKey(scope);
  return key instanceof Promise
    ? key.then((later) => commitEntry(house, entry, later, payload, writes))
    : commitEntry(house, entry, key, payload, writes);
}

const makesRun = ({ run }: Known, writes: readonly Write[]): boolean =>
  run !== undefined && run !== null && run.creation !== null && writes.includes(run.creation);

async function withNewKey(
  house: House,
  entry: Entry,
  scope: string,
  payload: Payload,
  writes: readonly Write[],
): Promise<Written> {
  const made = house.keys.newScopeKey(scope);
  const written = await commitEntry(house, entry, made.value, payload, [...writes, ...made.writes]);
  if (written.verdict.verdict === "done") made.applied();
  return written;
}

async function commitEntry(
  house: House,
  entry: Entry,
  key: DataKey,
  payload: Payload,
  writes: readonly Write[],
): Promise<Written> {
  const { write, leafHashText } = entryWrite(entry, sealPayload(house.keys, key, entry.id, payload));
  const before = house.storeClock.reading();
  const verdict = await house.store.commit([write, ...writes]);
  house.storeClock.learn(before, verdict.storeNow);
  if (verdict.verdict === "done") house.ledger.noted(entry.tenant);
  return { verdict, receipt: { entry: entry.id, leaf: leafHashText } };
}

/** Commits to a text under the call's salt. */
export const committed = (salt: Uint8Array, text: string): string => commitment(salt, text);
