import { invariant, unreachable } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Proof, Request } from "../request.ts";
import type { Lease, Signal, WakeUp } from "../store.ts";
import type { ColumnType, Row } from "../table.ts";
import type { Write } from "../transaction.ts";

/**
 * How a flush crosses to the writer's thread: all text as one string, all bytes as one array, and one array of numbers that says
 * how to cut them up. Measured on 64 transactions of two writes, this costs a sixth of cloning the values one by one.
 *
 * `numbers`, per request: the count of its writes, or `isOther`; per write: its shape, then one number per bound value: an
 * integer itself, the length of a text (UTF-16 units) or blob (bytes); for null `NaN`.
 */
export interface FlushMessage {
  readonly kind: "flush";
  readonly requests: number;
  /** Shapes used from this flush on; their ids go on from the last one sent. */
  readonly shapes: readonly Shape[];
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly text: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The requests that are no transactions, in order. */
  readonly others: readonly Request[];
  readonly wallMs: number;
  readonly proof: Proof | null;
}

/** A kind of write: one prepared statement. Values are bound in the order set, key, expect; for a row: of its columns. */
export interface Shape {
  readonly op: Write["op"];
  readonly table: string;
  readonly set: readonly string[];
  readonly key: readonly string[];
  readonly expect: readonly string[];
  readonly types: readonly ColumnType[];
}

const isOther = -1;

/** Why a request or a flush failed on the writer's side. */
export interface Failure {
  readonly failed: "statement" | "lease-lost" | "disk" | "disk-unsure";
  readonly message: string;
  /** SQLite's own name for it. */
  readonly sqliteCode: string;
}

export type WireAnswer = number | Failure | Lease | readonly Signal[] | readonly WakeUp[] | null;

export type Reply =
  /** `answers` null = every request is a transaction, and all are done. */
  | {
      readonly kind: "flushed";
      readonly storeNowMs: number;
      /** What a restart would go on from: up to there the time may be told without asking again. */
      readonly coveredMs: number;
      readonly answers: readonly WireAnswer[] | null;
    }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Makes flush messages. Remembers which shapes the other side knows. */
export class Encoder {
  private readonly tables: TablesByName;
  private readonly shapes = new Map<string, number>();
  private fresh: Shape[] = [];
  private numbers = new Float64Array(4096);
  private count = 0;
  private bytes = new Uint8Array(65_536);
  private bytesUsed = 0;
  private text = "";

  constructor(tables: TablesByName) {
    this.tables = tables;
  }

  encode(requests: readonly Request[], wallMs: number, proof: Proof | null): FlushMessage {
    this.count = 0;
    this.bytesUsed = 0;
    this.text = "";
    this.fresh = [];
    const others: Request[] = [];
    for (const request of requests) {
      if (request.kind === "transaction") {
        this.number(request.writes.length);
        for (const write of request.writes) this.write(write);
      } else {
        this.number(isOther);
        others.push(request);
      }
    }
    return {
      kind: "flush",
      requests: requests.length,
      shapes: this.fresh,
      numbers: this.numbers.slice(0, this.count),
      text: this.text,
      bytes: this.bytes.slice(0, this.bytesUsed),
      others,
      wallMs,
      proof,
    };
  }

  private write(write: Write): void {
    if (write.op === "insert" || write.op === "append") {
      this.number(this.shapeOf(write.op + write.table, write));
      const table = this.tables.get(write.table);
      for (const column in table?.columns) this.value(write.row[column] ?? null);
      return;
    }
    const set = write.op === "update" ? write.set : none;
    let name = `${write.op}${write.table}`;
    for (const column in set) name += `,${column}`;
    name += " key";
    for (const column in write.key) name += `,${column}`;
    name += " expect";
    for (const column in write.expect) name += `,${column}`;
    this.number(this.shapeOf(name, write));
    for (const column in set) this.value(set[column] ?? null);
    for (const column in write.key) this.value(write.key[column] ?? null);
    for (const column in write.expect) this.value(write.expect[column] ?? null);
  }

  private shapeOf(name: string, write: Write): number {
    const known = this.shapes.get(name);
    if (known !== undefined) return known;
    const id = this.shapes.size;
    this.shapes.set(name, id);
    this.fresh.push(this.shape(write));
    return id;
  }

  private shape(write: Write): Shape {
    const table = this.tables.get(write.table);
    invariant(table, `no table ${write.table}`);
    const isRow = write.op === "insert" || write.op === "append";
    const set = isRow ? Object.keys(table.columns) : write.op === "update" ? Object.keys(write.set) : [];
    const key = isRow ? [] : Object.keys(write.key);
    const expect = isRow ? [] : Object.keys(write.expect);
    const types = [...set, ...key, ...expect].map((column) => table.columns[column]?.type ?? "text");
    return { op: write.op, table: write.table, set, key, expect, types };
  }

  private value(value: Row[string] | null): void {
    if (typeof value === "string") {
      this.text += value;
      this.number(value.length);
    } else if (typeof value === "number") {
      this.number(value);
    } else if (value === null || value === undefined) {
      this.number(Number.NaN);
    } else {
      this.append(value);
      this.number(value.byteLength);
    }
  }

  private number(value: number): void {
    if (this.count === this.numbers.length) {
      const larger = new Float64Array(this.numbers.length * 2);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers[this.count++] = value;
  }

  private append(bytes: Uint8Array): void {
    const needed = this.bytesUsed + bytes.byteLength;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.bytesUsed));
      this.bytes = larger;
    }
    this.bytes.set(bytes, this.bytesUsed);
    this.bytesUsed = needed;
  }
}

const none: Row = {};

export type BoundValues = (string | number | Uint8Array | null)[];

/** One write as the writer's thread sees it: which shape, and what to bind. */
export interface Step {
  readonly shape: number;
  readonly values: BoundValues;
}

export type Item =
  | { readonly kind: "transaction"; readonly steps: readonly Step[] }
  | Exclude<Request, { kind: "transaction" }>;

/** Reads a flush message front to back. `shapes` are all that have come so far. */
export function decode(message: FlushMessage, shapes: readonly Shape[]): Item[] {
  const { numbers, text, bytes, others } = message;
  const items: Item[] = [];
  let at = 0;
  let textAt = 0;
  let bytesAt = 0;
  let otherAt = 0;
  const value = (type: ColumnType): BoundValues[number] => {
    const number = numbers[at++] as number;
    if (Number.isNaN(number)) return null;
    switch (type) {
      case "integer":
        return number;
      case "text":
        return text.slice(textAt, (textAt += number));
      case "blob":
        return bytes.subarray(bytesAt, (bytesAt += number));
      default:
        return unreachable(type);
    }
  };
  while (items.length < message.requests) {
    const count = numbers[at++] as number;
    if (count === isOther) {
      items.push(others[otherAt++] as Item);
      continue;
    }
    const steps: Step[] = [];
    while (steps.length < count) {
      const shape = numbers[at++] as number;
      const values: BoundValues = [];
      for (const type of shapes[shape]?.types ?? []) values.push(value(type));
      steps.push({ shape, values });
    }
    items.push({ kind: "transaction", steps });
  }
  return items;
}
