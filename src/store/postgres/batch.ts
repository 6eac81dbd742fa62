import { invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Row, Table, Value } from "../table.ts";
import type { Write } from "../transaction.ts";
import { arrayOf, ordinals } from "./array.ts";
import type { Parameter, Statement } from "./connection.ts";
import { encodeIndexed, encodeText, indexedColumns, longTexts } from "./encode.ts";
import type { Hopes } from "./hopes.ts";
import type { Numbered } from "./segments.ts";
import { tableOf } from "./segments.ts";
import type { Names } from "./sql.ts";
import { deleteStatement, hopefulInsertStatement, insertStatement, updateStatement } from "./sql.ts";

/** Writes of one kind: one statement, one array per column. */
export interface Kind {
  readonly statement: Statement;
  /** The table whose keys the statement hopes free, and fails where one is not; null = it answers with those whose guard did not hold. */
  readonly hopesFor: string | null;
  /** Whose write each row is, in the order of the ordinals (which start at 1). */
  readonly rows: readonly { readonly index: number; readonly write: number }[];
}

interface Collected {
  readonly shape: Shape;
  readonly columns: Value[][];
  readonly long: (string | null)[];
  readonly rows: { index: number; write: number }[];
}

interface Shape {
  readonly order: number;
  readonly text: string;
  /** null = it always asks. */
  readonly hopefulText: string | null;
  readonly table: Table;
  /** Set, key, expect; for a row: its columns. */
  readonly columns: readonly string[];
  readonly indexed: ReadonlySet<string>;
  /** How many of the columns are set: only of those a long text is kept. */
  readonly set: number;
}

/** Inserts before everything that may set a key free: see `segments.ts`. */
const orderOf = { insert: 0, append: 1, update: 2, delete: 3 } as const satisfies Record<Write["op"], number>;

/** Turns writes into statements. Remembers the shapes it has seen, of which declared tables allow only so many. */
export class Batches {
  private readonly tables: TablesByName;
  private readonly names: Names;
  private readonly shapes = new Map<string, Shape>();

  constructor(tables: TablesByName, names: Names) {
    this.tables = tables;
    this.names = names;
  }

  /** One statement per kind, in the order in which they are to run. `hopes` null = all ask. */
  kinds(transactions: readonly Numbered[], hopes: Hopes | null): readonly Kind[] {
    const collected = new Map<Shape, Collected>();
    for (const { index, writes } of transactions) {
      for (let write = 0; write < writes.length; write++)
        this.collect(collected, writes[write] as Write, index, write);
    }
    return [...collected.values()]
      .toSorted((a, b) => a.shape.order - b.shape.order)
      .map((each) => kindOf(each, hopes));
  }

  /** A statement for each write, in the order of the writes. */
  oneByOne(transaction: Numbered): readonly Kind[] {
    return transaction.writes.map((write, i) => {
      const collected = new Map<Shape, Collected>();
      this.collect(collected, write, transaction.index, i);
      const [only] = collected.values();
      invariant(only, "a write is of some kind");
      return kindOf(only, null);
    });
  }

  private collect(collected: Map<Shape, Collected>, write: Write, index: number, at: number): void {
    const shape = this.shapeOf(write);
    let batch = collected.get(shape);
    if (batch === undefined) {
      batch = { shape, columns: shape.columns.map(() => []), long: [], rows: [] };
      collected.set(shape, batch);
    }
    const values = valuesOfWrite(write, shape);
    for (let i = 0; i < values.length; i++) batch.columns[i]?.push(encoded(shape, i, values[i] ?? null));
    const set = shape.columns.slice(0, shape.set);
    batch.long.push(longTexts(set, shape.indexed, values));
    batch.rows.push({ index, write: at });
  }

  private shapeOf(write: Write): Shape {
    const name = nameOf(write);
    let shape = this.shapes.get(name);
    if (shape === undefined) this.shapes.set(name, (shape = this.makeShape(write)));
    return shape;
  }

  private makeShape(write: Write): Shape {
    const table = tableOf(this.tables, write);
    const indexed = indexedColumns(table);
    const order = orderOf[write.op];
    if (write.op === "insert" || write.op === "append") {
      const columns = Object.keys(table.columns);
      const text = insertStatement(this.names, table);
      const hopefulText = hopefulInsertStatement(this.names, table);
      return { order, text, hopefulText, table, columns, indexed, set: columns.length };
    }
    const key = Object.keys(write.key);
    const expect = Object.keys(write.expect);
    const set = write.op === "update" ? Object.keys(write.set) : [];
    const text =
      write.op === "update"
        ? updateStatement(this.names, table, set, key, expect)
        : deleteStatement(this.names, table, key, expect);
    const columns = [...set, ...key, ...expect];
    return { order, text, hopefulText: null, table, columns, indexed, set: set.length };
  }
}

function nameOf(write: Write): string {
  let name = `${write.op} ${write.table}`;
  if (write.op === "insert" || write.op === "append") return name;
  if (write.op === "update") for (const column in write.set) name += ` ${column}`;
  name += " by";
  for (const column in write.key) name += ` ${column}`;
  name += " if";
  for (const column in write.expect) name += ` ${column}`;
  return name;
}

function valuesOfWrite(write: Write, shape: Shape): readonly Value[] {
  const { columns } = shape;
  if (write.op === "insert" || write.op === "append")
    return columns.map((column) => write.row[column] ?? null);
  const values: Value[] = [];
  if (write.op === "update") addValues(write.set, values);
  addValues(write.key, values);
  addValues(write.expect, values);
  return values;
}

function addValues(row: Row, values: Value[]): void {
  for (const column in row) values.push(row[column] ?? null);
}

function encoded(shape: Shape, at: number, value: Value): Value {
  if (typeof value !== "string") return value;
  return shape.indexed.has(shape.columns[at] ?? "") ? encodeIndexed(value) : encodeText(value);
}

function kindOf({ shape, columns, long, rows }: Collected, hopes: Hopes | null): Kind {
  const values: Parameter[] = [ordinals(rows.length)];
  for (let i = 0; i < columns.length; i++) {
    const type = shape.table.columns[shape.columns[i] ?? ""]?.type ?? "text";
    values.push(arrayOf(type, columns[i] ?? []));
  }
  values.push(arrayOf("text", long));
  const { table, hopefulText } = shape;
  if (hopefulText !== null && hopes?.takeFor(table.name) === true)
    return { statement: { text: hopefulText, values, isKept: true }, hopesFor: table.name, rows };
  return { statement: { text: shape.text, values, isKept: true }, hopesFor: null, rows };
}
