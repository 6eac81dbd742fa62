import type { StoreMs } from "../base/index.ts";
import { msOf, storeMs } from "../base/index.ts";
import type { Lease, Signal, Store } from "./store.ts";
import type { Table } from "./table.ts";
import { integer, keyedTable, text } from "./table.ts";
import type { Write } from "./transaction.ts";
import { insert, remove } from "./transaction.ts";

/** The only tables `store` knows by name. A row of `lease` stays after its release: its fence must keep growing. */
export const leaseTable = keyedTable({
  name: "store_lease",
  columns: { name: text, holder: text, fence: integer, expiresAt: integer },
  key: ["name"],
  indexes: { expiry: ["expiresAt"] },
});

/** Who holds the lease of this name, or held it last; expired ones too. null = nobody ever did. */
export async function leaseOf(store: Pick<Store, "get">, name: string): Promise<Lease | null> {
  const row = await store.get(leaseTable, { name });
  return row === null ? null : { ...row, expiresAt: storeMs(row.expiresAt) };
}

/** Leases whose holders fell silent: they were neither renewed in time nor given back. The one that expired last comes first. */
export async function expiredLeases(
  store: Pick<Store, "list" | "now">,
  limit: number,
): Promise<readonly Lease[]> {
  const upTo = msOf(await store.now());
  // One that was given back expired at 0.
  const rows = await store.list(leaseTable, { index: "expiry", from: 1, upTo, order: "descending", limit });
  return rows.map((row) => ({ ...row, expiresAt: storeMs(row.expiresAt) }));
}

export const signalTable = keyedTable({
  name: "store_signal",
  columns: { topic: text, key: text, payload: text },
  key: ["topic", "key"],
});

export const wakeUpTable = keyedTable({
  name: "store_wake_up",
  columns: { topic: text, key: text, at: integer },
  key: ["topic", "key"],
  indexes: { due: ["topic", "at"] },
});

/** `storeTime`, and what `sqlite/version.ts` keeps about the data. */
export const metaTable = keyedTable({
  name: "store_meta",
  columns: { name: text, value: integer },
  key: ["name"],
});

export const ownTables: readonly Table[] = [leaseTable, signalTable, wakeUpTable, metaTable];

/** Puts a signal as part of a transaction. Its guard: no signal with this topic and key waits already (the first one wins). */
export const signal = (signal: Signal): Write =>
  insert(signalTable, { topic: signal.topic, key: signal.key, payload: signal.payload });

/** Whether nobody has taken this signal yet. */
export const isWaiting = async (store: Pick<Store, "get">, topic: string, key: string): Promise<boolean> =>
  (await store.get(signalTable, { topic, key })) !== null;

/** Takes a signal back as part of a transaction. Its guard: it still waits. */
export const takeBack = (topic: string, key: string): Write => remove(signalTable, { topic, key });

/** Schedules a wake-up as part of a transaction. Its guard: none is scheduled under this topic and key. */
export const wakeUp = (topic: string, key: string, at: StoreMs): Write =>
  insert(wakeUpTable, { topic, key, at: msOf(at) });
