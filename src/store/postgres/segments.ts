import { invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import { keyNamed } from "../check.ts";
import type { Request } from "../request.ts";
import type { KeyedTable, Row, Table, Value } from "../table.ts";
import type { Transaction, Write } from "../transaction.ts";
import { valuesOf } from "../transaction.ts";

/**
 * How a flush is cut up, so that carrying it out kind by kind gives what carrying it out one by one would give:
 *  - set: neighbouring transactions of which no two touch one key. Each kind of write is one statement over all of them.
 *  - single: a transaction whose writes build on each other, or that goes by keys we cannot see beforehand.
 *  - own: requests about leases, signals and wake-ups.
 *
 * What stays unseen in a set is which values of further unique keys a delete, or an update to null, sets free. Inserts go first, so
 * none sees such a value free too early; one that fails may have come too early, which `verdicts.ts` then finds out.
 */
export type Segment =
  | { readonly kind: "set"; readonly transactions: readonly Numbered[] }
  | { readonly kind: "single"; readonly transaction: Numbered }
  | {
      readonly kind: "own";
      readonly requests: readonly { readonly index: number; readonly request: OwnRequest }[];
    };

export interface Numbered {
  /** Its place in the flush. */
  readonly index: number;
  readonly writes: Transaction;
}

export type OwnRequest = Exclude<Request, { kind: "transaction" | "now" }>;

export function cut(tables: TablesByName, requests: readonly Request[]): readonly Segment[] {
  const segments: Segment[] = [];
  let open: { transactions: Numbered[]; touched: Set<string> } | null = null;
  for (const [index, request] of requests.entries()) {
    if (request.kind === "now") continue;
    if (request.kind !== "transaction") {
      open = null;
      const last = segments.at(-1);
      const one = { index, request };
      if (last?.kind === "own") (last.requests as (typeof one)[]).push(one);
      else segments.push({ kind: "own", requests: [one] });
      continue;
    }
    if (request.writes.length === 0) continue;
    const transaction = { index, writes: request.writes };
    const touches = touchedBy(tables, request.writes);
    if (touches === null) {
      open = null;
      segments.push({ kind: "single", transaction });
      continue;
    }
    if (open === null || touches.some((key) => open?.touched.has(key))) {
      open = { transactions: [], touched: new Set() };
      segments.push({ kind: "set", transactions: open.transactions });
    }
    open.transactions.push(transaction);
    for (const key of touches) open.touched.add(key);
  }
  return segments;
}

/** The keys that the writes touch, as texts; null when the transaction has to go by itself. */
function touchedBy(tables: TablesByName, writes: Transaction): readonly string[] | null {
  const touched: string[] = [];
  for (const write of writes) {
    const table = tableOf(tables, write);
    if (!touch(table, write, touched)) return null;
  }
  if (writes.length === 1) return touched;
  if (new Set(touched).size < touched.length) return null;
  return mixesFreeAndTake(tables, writes) ? null : touched;
}

function touch(table: Table, write: Write, touched: string[]): boolean {
  if (table.shape === "log") {
    touched.push(`${table.name}\n${String((write as { row: Row }).row[table.id])}`);
    return true;
  }
  if (write.op === "insert") {
    for (const text of keysOfRow(table, write.row)) touched.push(text);
    return true;
  }
  const { key } = write as { key: Row };
  if (keyNamed(table, key) !== "key") return false;
  touched.push(keyText(table, "key", valuesOf(key, table.key)));
  return write.op !== "update" || !takesUniqueKey(table, write.set);
}

function* keysOfRow(table: KeyedTable, row: Row): Iterable<string> {
  yield keyText(table, "key", valuesOf(row, table.key));
  for (const name in table.unique) {
    const values = valuesOf(row, table.unique[name] ?? []);
    if (!values.includes(null)) yield keyText(table, name, values);
  }
}

const keyText = (table: Table, name: string, values: readonly Value[]): string => {
  let text = `${table.name}\n${name}`;
  for (const value of values) {
    const part = value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);
    text += `\n${part.length}:${part}`;
  }
  return text;
};

/** Whether the update sets a column of a further unique key to a value: then it may clash with rows we do not see. */
function takesUniqueKey(table: KeyedTable, set: Row): boolean {
  for (const name in table.unique) {
    for (const column of table.unique[name] ?? []) if (column in set && set[column] !== null) return true;
  }
  return false;
}

const hasUniqueKeys = (table: Table): boolean =>
  table.shape === "keyed" && Object.keys(table.unique).length > 0;

/** Whether the write may set a value of a further unique key free. */
export const mayFree = (table: Table, write: Write): boolean =>
  hasUniqueKeys(table) &&
  (write.op === "delete" || (write.op === "update" && setsUniqueKey(table, write.set)));

/** What takes a value of a further unique key in a set: which row, by which key. */
export const takerText = (table: Table, name: string, key: readonly Value[]): string =>
  `${name} ${keyText(table, "key", key)}`;

/** The takers that the write takes out of the way, where it goes in a set. */
export function freedBy(table: Table, write: Write): readonly string[] {
  if (table.shape === "log" || !mayFree(table, write)) return [];
  const { key } = write as { key: Row };
  return Object.entries(table.unique)
    .filter(
      ([, columns]) =>
        write.op === "delete" ||
        (write.op === "update" && columns.some((column) => write.set[column] === null)),
    )
    .map(([name]) => takerText(table, name, valuesOf(key, table.key)));
}

const setsUniqueKey = (table: Table, set: Row): boolean =>
  table.shape === "keyed" &&
  Object.values(table.unique).some((columns) => columns.some((column) => column in set));

function mixesFreeAndTake(tables: TablesByName, writes: Transaction): boolean {
  const freed = new Set<string>();
  for (const write of writes) {
    const table = tableOf(tables, write);
    if (write.op === "insert" && freed.has(write.table)) return true;
    if (mayFree(table, write)) freed.add(write.table);
  }
  return false;
}

export function tableOf(tables: TablesByName, write: Write): Table {
  const table = tables.get(write.table);
  invariant(table, `no table ${write.table}`);
  return table;
}
