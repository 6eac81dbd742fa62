import { invariant, storeMs, unreachable } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import { tablesByName } from "../check.ts";
import { epochName, fenceFloor } from "../epoch.ts";
import { keptOf } from "../given-up.ts";
import { leaseTable, metaTable, ownTables, signalTable, wakeUpTable } from "../own-tables.ts";
import type { Answer, Proof, Request } from "../request.ts";
import { verdictDone } from "../request.ts";
import type { Lease, Signal, WakeUp } from "../store.ts";
import type { Row, Table } from "../table.ts";
import type { Transaction, Write } from "../transaction.ts";
import type { Undo } from "./keyed.ts";
import { MemoryKeyed } from "./keyed.ts";
import { MemoryLog } from "./log.ts";

/**
 * What survives the death of a memory store: the "disk". Several stores may share one, as nodes share a database; each sees what
 * the others committed.
 */
export class MemoryDatabase {
  readonly byName: TablesByName;
  private readonly keyed = new Map<string, MemoryKeyed>();
  private readonly logs = new Map<string, MemoryLog>();
  private lastMs = 0;

  constructor(tables: readonly Table[]) {
    this.byName = tablesByName(tables);
    for (const table of this.byName.values()) {
      if (table.shape === "keyed") this.keyed.set(table.name, new MemoryKeyed(table));
      else this.logs.set(table.name, new MemoryLog(table));
    }
  }

  /** Another one with the same rows. */
  copy(): MemoryDatabase {
    const copy = new MemoryDatabase([...this.byName.values()].filter((table) => !ownTables.includes(table)));
    copy.lastMs = this.lastMs;
    for (const [name, rows] of this.keyed)
      for (const row of rows.inOrderOfArrival()) copy.keyedTable(name).insert(row);
    for (const [name, rows] of this.logs)
      for (const row of rows.scan(0, rows.size)) copy.logTable(name).adopt(row);
    return copy;
  }

  /** Store time: the wall's, but never less than it was. */
  advance(wallMs: number): number {
    this.lastMs = Math.max(this.lastMs, Math.floor(wallMs));
    return this.lastMs;
  }

  holds(proof: Proof): boolean {
    return this.keyedTable(leaseTable.name).get({ name: proof.name })?.fence === proof.fence;
  }

  answer(request: Request, nowMs: number): Answer {
    switch (request.kind) {
      case "transaction":
        return this.run(request.writes);
      case "now":
        return null;
      case "take-signals":
        return this.takeSignals(request.topic, request.limit);
      case "take-wake-ups":
        return this.takeWakeUps(request.topic, request.limit, nowMs);
      case "acquire-lease":
        return this.acquire(request.name, request.holder, request.ttlMs, nowMs);
      case "renew-lease":
        return this.renew(request.lease, request.ttlMs, nowMs);
      case "release-lease":
        this.release(request.lease);
        return null;
      default:
        return unreachable(request);
    }
  }

  /** Takes a name from its holder, as another node would once the lease has expired. */
  usurp(name: string): void {
    const fence = this.keyedTable(leaseTable.name).get({ name })?.fence;
    if (fence !== undefined) this.putLease({ name, holder: "usurper", fence: (fence as number) + 1 }, 0);
  }

  keyedTable(name: string): MemoryKeyed {
    const table = this.keyed.get(name);
    if (table === undefined) invariant(false, `no keyed table ${name}`);
    return table;
  }

  logTable(name: string): MemoryLog {
    const table = this.logs.get(name);
    if (table === undefined) invariant(false, `no log ${name}`);
    return table;
  }

  /** All or nothing. */
  private run(writes: Transaction): number {
    const undos: Undo[] = [];
    for (const [index, write] of writes.entries()) {
      const undo = this.write(write);
      if (undo === null) {
        for (const earlier of undos.reverse()) earlier();
        return index;
      }
      undos.push(undo);
    }
    return verdictDone;
  }

  /** Data that begins here is without what was given up. */
  private write(given: Write): Undo | null {
    const { table } = this.keyed.get(given.table) ?? this.logs.get(given.table) ?? {};
    const write = keptOf(given, table);
    switch (write.op) {
      case "insert":
        return this.keyedTable(write.table).insert(write.row);
      case "update":
        return this.keyedTable(write.table).update(write.key, write.expect, write.set);
      case "delete":
        return this.keyedTable(write.table).delete(write.key, write.expect);
      case "append":
        return this.logTable(write.table).append(write.row);
      default:
        return unreachable(write);
    }
  }

  private takeSignals(topic: string, limit: number): readonly Signal[] {
    const table = this.keyedTable(signalTable.name);
    const taken: Row[] = [];
    for (const row of table.inOrderOfArrival()) {
      if (taken.length === limit) break;
      if (row.topic === topic) taken.push(row);
    }
    for (const { key } of taken) table.delete({ topic, key: key as string }, {});
    return taken.map((row) => ({ topic, key: row.key as string, payload: row.payload as string }));
  }

  private takeWakeUps(topic: string, limit: number, nowMs: number): readonly WakeUp[] {
    const table = this.keyedTable(wakeUpTable.name);
    const due = table.list({ index: "due", equals: { topic }, upTo: nowMs, limit });
    for (const { key } of due) table.delete({ topic, key: key as string }, {});
    return due.map((row) => ({ topic, key: row.key as string, at: storeMs(row.at as number) }));
  }

  private acquire(name: string, holder: string, ttlMs: number, nowMs: number): Lease | null {
    const present = this.keyedTable(leaseTable.name).get({ name });
    const isFree = present === null || present.holder === holder || (present.expiresAt as number) <= nowMs;
    if (!isFree) return null;
    return this.putLease(
      { name, holder, fence: ((present?.fence ?? this.floor()) as number) + 1 },
      nowMs + ttlMs,
    );
  }

  /** Of a name that nobody held in this epoch; it may have had a holder that the store has forgotten. */
  private floor(): number {
    const epoch = this.keyedTable(metaTable.name).get({ name: epochName })?.value;
    return fenceFloor((epoch ?? 0) as number);
  }

  private renew(lease: Lease, ttlMs: number, nowMs: number): Lease | null {
    return this.holds(lease) ? this.putLease(lease, nowMs + ttlMs) : null;
  }

  /** The fence moves at once, so that nothing more is written under the lease that was given up. */
  private release(lease: Lease): void {
    if (this.holds(lease)) this.putLease({ name: lease.name, holder: "", fence: lease.fence + 1 }, 0);
  }

  private putLease(lease: Omit<Lease, "expiresAt">, expiresAt: number): Lease {
    const { name, holder, fence } = lease;
    const table = this.keyedTable(leaseTable.name);
    table.delete({ name }, {});
    table.insert({ name, holder, fence, expiresAt });
    return { name, holder, fence, expiresAt: storeMs(expiresAt) };
  }
}
