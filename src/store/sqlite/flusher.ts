import type BetterSqlite from "better-sqlite3";
import { invariant, unreachable } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import { verdictDone } from "../request.ts";
import { failureOf, isFatal, isFull, sqliteCode } from "./failure.ts";
import type { BoundValues, Failure, FlushMessage, Item, Reply, Shape, Step, WireAnswer } from "./message.ts";
import { decode } from "./message.ts";
import { OwnStatements } from "./own-statements.ts";
import { deleteStatement, insertStatement, updateStatement } from "./sql.ts";

/** After this many requests in a row found the disk full, the rest of the flush is not tried: it would only take longer. */
const fullInARowMax = 3;

/**
 * Savepoints cost a fifth of a flush, and almost every transaction either does all its writes or fails at its first, where there
 * is nothing to undo. So flushes go without; one that must undo half a transaction is rolled back and done again with them, and
 * so are the next this many: someone whose transactions always fail late costs everybody a savepoint, not every flush twice.
 */
const carefulFlushesMax = 64;

/**
 * How far ahead of itself the store's time is put on disk, so that it is written once a second and not with every flush (at one
 * caller a tenth of what a flush costs). After a crash it goes on from there: later than all that was told, and at most this much.
 */
const timeAheadMs = 1_000;

/** Carries out one write. False: its guard did not hold, and it changed nothing. */
type Execute = (values: BoundValues) => boolean;

/** Carries out flushes on the write connection: one flush, one SQL transaction. */
export class Flusher {
  private readonly database: BetterSqlite.Database;
  private readonly tables: TablesByName;
  private readonly own: OwnStatements;
  private readonly shapes: Shape[] = [];
  private readonly executes: (Execute | undefined)[] = [];
  private readonly begin: BetterSqlite.Statement;
  private readonly commit: BetterSqlite.Statement;
  private readonly savepoint: BetterSqlite.Statement;
  private readonly rollbackTo: BetterSqlite.Statement;
  private readonly release: BetterSqlite.Statement;
  /** What was told last; never goes back. */
  private timeMs: number;
  /** What a restart would go on from: never below what was told. */
  private persistedMs: number;
  private carefulFlushes = 0;
  private rows = 0;

  constructor(database: BetterSqlite.Database, tables: TablesByName) {
    this.database = database;
    this.tables = tables;
    this.own = new OwnStatements(database);
    this.begin = database.prepare("BEGIN IMMEDIATE");
    this.commit = database.prepare("COMMIT");
    this.savepoint = database.prepare("SAVEPOINT item");
    this.rollbackTo = database.prepare("ROLLBACK TO item");
    this.release = database.prepare("RELEASE item");
    this.persistedMs = this.timeMs = this.own.storeTimeMs();
  }

  flush(message: FlushMessage): Reply {
    this.shapes.push(...message.shapes);
    const items = decode(message, this.shapes);
    const storeNowMs = Math.max(this.timeMs, Math.floor(message.wallMs));
    const answers = this.carry(items, message, storeNowMs);
    if (this.carefulFlushes > 0) this.carefulFlushes--;
    if (Array.isArray(answers)) return this.flushed(storeNowMs, compact(answers));
    if (!answers.isFull || items.length === 1) return { kind: "failed", failure: answers.failure };
    return this.flushed(storeNowMs, this.oneByOne(items, message, storeNowMs));
  }

  private flushed(storeNowMs: number, answers: readonly WireAnswer[] | null): Reply {
    return { kind: "flushed", storeNowMs, coveredMs: this.persistedMs, answers };
  }

  /** How many writes were carried out since this was asked last. */
  takeRows(): number {
    const { rows } = this;
    this.rows = 0;
    return rows;
  }

  /** After the last flush: a restart then goes on exactly where time stood. */
  finish(toldMs: number): void {
    this.timeMs = Math.max(this.timeMs, toldMs);
    try {
      if (this.timeMs > 0 && this.persistedMs > this.timeMs) this.own.persistTime(this.timeMs);
    } catch {
      // A full disk: the time that is there will do.
    }
  }

  /** The disk has no room for all of it: what fits by itself still gets through, and a large one fails alone. */
  private oneByOne(items: readonly Item[], message: FlushMessage, storeNowMs: number): WireAnswer[] {
    const answers: WireAnswer[] = [];
    let fullInARow = 0;
    for (const item of items) {
      const last = answers.at(-1);
      if (fullInARow >= fullInARowMax && last !== undefined) {
        answers.push(last);
        continue;
      }
      const one = this.carry([item], message, storeNowMs);
      if (Array.isArray(one)) answers.push(...one);
      else answers.push(one.failure);
      fullInARow = Array.isArray(one) ? 0 : fullInARow + 1;
    }
    return answers;
  }

  /** One SQL transaction. When it fails as a whole, none of it stands, unless the failure says that this is unsure. */
  private carry(
    items: readonly Item[],
    message: FlushMessage,
    storeNowMs: number,
  ): WireAnswer[] | { failure: Failure; isFull: boolean } {
    let isCommitting = false;
    try {
      this.begin.run();
      const answers = this.answers(items, message, storeNowMs);
      const persistMs = this.persistTime(items, answers, storeNowMs);
      isCommitting = true;
      this.commit.run();
      this.timeMs = storeNowMs;
      this.persistedMs = persistMs;
      return answers;
    } catch (thrown) {
      if (this.database.inTransaction) this.database.exec("ROLLBACK");
      if (thrown === needsSavepoints) {
        this.carefulFlushes = carefulFlushesMax;
        return this.carry(items, message, storeNowMs);
      }
      // A commit that failed in its sync has written frames that a crash right now could bring back. Out of room, it has not:
      // the frame that makes it a commit comes last.
      const isUnsure = isCommitting && !isFull(thrown);
      const failed = isUnsure ? "disk-unsure" : sqliteCode(thrown) === "" ? "statement" : "disk";
      return { failure: failureOf(failed, thrown), isFull: isFull(thrown) };
    }
  }

  private answers(items: readonly Item[], message: FlushMessage, storeNowMs: number): WireAnswer[] {
    const { proof } = message;
    const isLost = proof !== null && !this.own.holds(proof);
    return items.map((item): WireAnswer => {
      if (!isLost || isAboutLeases(item)) return this.answer(item, storeNowMs);
      const text = `lease ${proof.name} is no longer held with fence ${proof.fence}`;
      return { failed: "lease-lost", message: text, sqliteCode: "" };
    });
  }

  /** Before anybody is told a time that is not covered on disk yet; what will be covered once the flush is committed. */
  private persistTime(items: readonly Item[], answers: readonly WireAnswer[], storeNowMs: number): number {
    if (storeNowMs <= this.persistedMs) return this.persistedMs;
    // A poll that found nothing tells nobody the time, and then there is nothing to write at all.
    const toldTime = items.some((item, i) => !isPoll(item) || (answers[i] as readonly unknown[]).length > 0);
    if (!toldTime) return this.persistedMs;
    this.own.persistTime(storeNowMs + timeAheadMs);
    return storeNowMs + timeAheadMs;
  }

  private answer(item: Item, storeNowMs: number): WireAnswer {
    switch (item.kind) {
      case "transaction":
        return this.run(item.steps);
      case "now":
        return null;
      case "take-signals":
        return this.own.takeSignals(item.topic, item.limit);
      case "take-wake-ups":
        return this.own.takeDueWakeUps(item.topic, item.limit, storeNowMs);
      case "acquire-lease":
        return this.own.acquire(item.name, item.holder, item.ttlMs, storeNowMs);
      case "renew-lease":
        return this.own.renew(item.lease, item.ttlMs, storeNowMs);
      case "release-lease":
        this.own.release(item.lease);
        return null;
      default:
        return unreachable(item);
    }
  }

  /** All or nothing: what a failed transaction had already written is taken back. */
  private run(steps: readonly Step[]): number | Failure {
    const hasSavepoint = steps.length > 1 && this.carefulFlushes > 0;
    if (hasSavepoint) this.savepoint.run();
    let done = 0;
    let failure: Failure | null = null;
    try {
      for (const step of steps) {
        if (!this.executeOf(step.shape)(step.values)) break;
        done++;
      }
    } catch (thrown) {
      if (isFatal(thrown, this.database)) throw thrown;
      failure = failureOf("statement", thrown);
    }
    this.rows += done;
    const isDone = done === steps.length;
    if (hasSavepoint) {
      if (!isDone) this.rollbackTo.run();
      this.release.run();
    } else if (!isDone && done > 0) {
      throw needsSavepoints;
    }
    return isDone ? verdictDone : (failure ?? done);
  }

  private executeOf(id: number): Execute {
    return (this.executes[id] ??= this.prepare(id));
  }

  private prepare(id: number): Execute {
    const shape = this.shapes[id];
    invariant(shape, `no shape ${id}`);
    const statement = this.database.prepare(this.sqlOf(shape));
    if (statement.reader) return (values) => statement.get(values) !== undefined;
    return (values) => statement.run(values).changes === 1;
  }

  private sqlOf(shape: Shape): string {
    switch (shape.op) {
      case "insert":
      case "append": {
        const table = this.tables.get(shape.table);
        invariant(table, `no table ${shape.table}`);
        return insertStatement(table);
      }
      case "update":
        return updateStatement(shape.table, shape.set, shape.key, shape.expect);
      case "delete":
        return deleteStatement(shape.table, shape.key, shape.expect);
      default:
        return unreachable(shape.op);
    }
  }
}

/** Thrown inside a flush that went without savepoints and turned out to need them. */
const needsSavepoints = new Error("this flush needs savepoints");

const isAboutLeases = (item: Item): boolean => item.kind.endsWith("-lease") || item.kind === "now";
const isPoll = (item: Item): boolean => item.kind === "take-signals" || item.kind === "take-wake-ups";

/** Almost always everything is done: then there is nothing to send but that. */
function compact(answers: WireAnswer[]): WireAnswer[] | null {
  return answers.every((answer) => answer === verdictDone) ? null : answers;
}
