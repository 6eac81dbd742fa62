import { invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { ColumnType, Row, Table, Value } from "../table.ts";
import type { Write } from "../transaction.ts";
import { arrayOf, ordinals, plainTexts } from "./array.ts";
import type { Parameter, Statement } from "./connection.ts";
import type { LongTexts } from "./encode.ts";
import { encodeText, indexedColumns, isLong, mayBeLong, shortened } from "./encode.ts";
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
  readonly writes: Write[];
  readonly rows: { index: number; write: number }[];
}

interface Shape {
  readonly order: number;
  readonly text: string;
  /** null = it always asks. */
  readonly hopefulText: string | null;
  readonly table: Table;
  /** Set, key, expect; for a row: its columns. */
  readonly columns: readonly Column[];
}

interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Of what the write says, where it stands. A long text is kept only of what is set. */
  readonly part: "row" | "set" | "key" | "expect";
  readonly isIndexed: boolean;
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

  /** One statement per kind, in the order in which they are to run; `late` ones after all others. `hopes` null = all ask. */
  kinds(
    transactions: readonly Numbered[],
    hopes: Hopes | null,
    late: ReadonlySet<Write> = new Set(),
  ): readonly Kind[] {
    const collected = new Map<Shape, Collected>();
    const last = new Map<Shape, Collected>();
    for (const { index, writes } of transactions) {
      for (let at = 0; at < writes.length; at++) {
        const write = writes[at] as Write;
        this.collect(late.has(write) ? last : collected, write, index, at);
      }
    }
    const inOrder = [...collected.values()].toSorted((a, b) => a.shape.order - b.shape.order);
    return [...inOrder, ...last.values()].map((each) => kindOf(each, hopes));
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
      batch = { shape, writes: [], rows: [] };
      collected.set(shape, batch);
    }
    batch.writes.push(write);
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
    const columnsOf = (part: Column["part"], names: readonly string[]): readonly Column[] =>
      names.map((name) => {
        const type = table.columns[name]?.type;
        invariant(type, `no column ${table.name}.${name}`);
        return { name, type, part, isIndexed: indexed.has(name) };
      });
    if (write.op === "insert" || write.op === "append") {
      const text = insertStatement(this.names, table);
      const hopefulText = hopefulInsertStatement(this.names, table);
      return { order, text, hopefulText, table, columns: columnsOf("row", Object.keys(table.columns)) };
    }
    const key = Object.keys(write.key);
    const expect = Object.keys(write.expect);
    const set = write.op === "update" ? Object.keys(write.set) : [];
    const text =
      write.op === "update"
        ? updateStatement(this.names, table, set, key, expect)
        : deleteStatement(this.names, table, key, expect);
    const columns = [...columnsOf("set", set), ...columnsOf("key", key), ...columnsOf("expect", expect)];
    return { order, text, hopefulText: null, table, columns };
  }
}

/** Of rows that are put into a table there is one shape. */
function nameOf(write: Write): string {
  if (write.op === "insert" || write.op === "append") return write.table;
  let name = `${write.op} ${write.table}`;
  if (write.op === "update") for (const column in write.set) name += ` ${column}`;
  name += " by";
  for (const column in write.key) name += ` ${column}`;
  name += " if";
  for (const column in write.expect) name += ` ${column}`;
  return name;
}

function kindOf({ shape, writes, rows }: Collected, hopes: Hopes | null): Kind {
  const long: (LongTexts | null)[] = writes.map(() => null);
  const columns = shape.columns.map((column) => columnOf(column, writes, long));
  const wholes = long.map((texts) => (texts === null ? null : JSON.stringify(texts)));
  const values: Parameter[] = [ordinals(rows.length), ...columns, arrayOf("text", wholes)];
  const { table, hopefulText } = shape;
  if (hopefulText !== null && hopes?.takeFor(table.name) === true)
    return { statement: { text: hopefulText, values, isKept: true }, hopesFor: table.name, rows };
  return { statement: { text: shape.text, values, isKept: true }, hopesFor: null, rows };
}

/** What all the writes say about one column, as the database holds it. The whole of a text that is too long for it goes into `long`. */
export function columnOf(column: Column, writes: readonly Write[], long: (LongTexts | null)[]): Buffer {
  const { name, type, part, isIndexed } = column;
  const values: Value[] = [];
  for (const write of writes) values.push(partOf(write, part)[name] ?? null);
  if (type !== "text") return arrayOf(type, values);
  const texts = values as (string | null)[];
  if (!isIndexed || !texts.some(mayBeLong)) {
    const array = plainTexts(texts);
    if (array !== null) return array;
  }
  for (const [i, text] of texts.entries()) {
    if (text === null) continue;
    const whole = encodeText(text);
    const isShortened = isIndexed && isLong(whole);
    texts[i] = isShortened ? shortened(whole) : whole;
    if (isShortened && (part === "row" || part === "set")) (long[i] ??= {})[name] = whole;
  }
  return arrayOf("text", texts);
}

/** The writes of one shape have the same parts. */
function partOf(write: Write, part: Column["part"]): Row {
  return (write as unknown as Readonly<Record<Column["part"], Row>>)[part];
}
