import type BetterSqlite from "better-sqlite3";
import { storeMs } from "../../base/index.ts";
import { epochName, fenceFloor } from "../epoch.ts";
import { leaseTable, metaTable, signalTable, wakeUpTable } from "../own-tables.ts";
import type { Proof } from "../request.ts";
import type { Lease, Signal, WakeUp } from "../store.ts";
import { bound, boundLimit } from "./sql.ts";

interface LeaseRow {
  readonly holder: string;
  readonly fence: number;
  readonly expiresAt: number;
}

/** What the writer does with the store's own tables, beside plain writes. Each runs inside the flush's SQL transaction. */
export class OwnStatements {
  private readonly readLease: BetterSqlite.Statement<[string], LeaseRow>;
  private readonly writeLease: BetterSqlite.Statement<[string, string, number, number]>;
  private readonly readSignals: BetterSqlite.Statement<[string, number], Signal & { rowid: number }>;
  private readonly deleteSignal: BetterSqlite.Statement<[number]>;
  private readonly readDue: BetterSqlite.Statement<[string, number, number], { key: string; at: number }>;
  private readonly deleteWakeUp: BetterSqlite.Statement<[string, string]>;
  private readonly readTime: BetterSqlite.Statement<[], { value: number }>;
  private readonly readEpoch: BetterSqlite.Statement<[string], { value: number }>;
  private readonly writeTime: BetterSqlite.Statement<[number]>;

  constructor(database: BetterSqlite.Database) {
    const lease = leaseTable.name;
    this.readLease = database.prepare(`SELECT holder, fence, expiresAt FROM ${lease} WHERE name = ?`);
    this.writeLease = database.prepare(
      `INSERT OR REPLACE INTO ${lease} (name, holder, fence, expiresAt) VALUES (?, ?, ?, ?)`,
    );
    this.readSignals = database.prepare(
      `SELECT rowid, topic, key, payload FROM ${signalTable.name} WHERE topic = ${bound} ORDER BY rowid ${boundLimit}`,
    );
    this.deleteSignal = database.prepare(`DELETE FROM ${signalTable.name} WHERE rowid = ?`);
    this.readDue = database.prepare(
      `SELECT key, at FROM ${wakeUpTable.name} WHERE topic = ${bound} AND at <= ${bound} ORDER BY at, key ${boundLimit}`,
    );
    this.deleteWakeUp = database.prepare(`DELETE FROM ${wakeUpTable.name} WHERE topic = ? AND key = ?`);
    this.readTime = database.prepare(`SELECT value FROM ${metaTable.name} WHERE name = 'storeTime'`);
    this.readEpoch = database.prepare(`SELECT value FROM ${metaTable.name} WHERE name = ?`);
    this.writeTime = database.prepare(
      `INSERT OR REPLACE INTO ${metaTable.name} (name, value) VALUES ('storeTime', ?)`,
    );
  }

  storeTimeMs(): number {
    return this.readTime.get()?.value ?? 0;
  }

  persistTime(ms: number): void {
    this.writeTime.run(ms);
  }

  holds(proof: Proof): boolean {
    return this.readLease.get(proof.name)?.fence === proof.fence;
  }

  acquire(name: string, holder: string, ttlMs: number, nowMs: number): Lease | null {
    const present = this.readLease.get(name);
    const isFree = present === undefined || present.holder === holder || present.expiresAt <= nowMs;
    return isFree ? this.put(name, holder, (present?.fence ?? this.floor()) + 1, nowMs + ttlMs) : null;
  }

  renew(lease: Lease, ttlMs: number, nowMs: number): Lease | null {
    return this.holds(lease) ? this.put(lease.name, lease.holder, lease.fence, nowMs + ttlMs) : null;
  }

  /** The fence moves at once, so that nothing more is written under the lease that was given up. */
  release(lease: Lease): void {
    if (this.holds(lease)) this.put(lease.name, "", lease.fence + 1, 0);
  }

  takeSignals(topic: string, limit: number): Signal[] {
    return this.readSignals.all(topic, limit).map(({ rowid, key, payload }) => {
      this.deleteSignal.run(rowid);
      return { topic, key, payload };
    });
  }

  takeDueWakeUps(topic: string, limit: number, nowMs: number): WakeUp[] {
    return this.readDue.all(topic, nowMs, limit).map(({ key, at }) => {
      this.deleteWakeUp.run(topic, key);
      return { topic, key, at: storeMs(at) };
    });
  }

  /** Of a name that nobody held in this epoch; it may have had a holder that the store has forgotten. */
  private floor(): number {
    return fenceFloor(this.readEpoch.get(epochName)?.value ?? 0);
  }

  private put(name: string, holder: string, fence: number, expiresAt: number): Lease {
    this.writeLease.run(name, holder, fence, expiresAt);
    return { name, holder, fence, expiresAt: storeMs(expiresAt) };
  }
}
