import type { Row, Table, Value } from "../store/index.ts";
import { broken } from "./chunk.ts";

/**
 * What is inside: lines of JSON. First the header; then for each table a line with its name and columns, and a line per row with the
 * values in that order (bytes in base64, a log's cursor last); at the end what all of it adds up to.
 */

/** Longer than any row: a transaction has at most 32 MiB, which base64 makes a third longer. */
export const lineBytesMax = 67_108_864;

export interface BackupHeader {
  readonly format: 1;
  /** Its id. */
  readonly installation: string;
  /** The version of the program that wrote it. */
  readonly code: string;
  /** Of what the tables hold: newer data is not put into an older program. */
  readonly dataVersion: number;
  /** RFC 3339. */
  readonly at: string;
  /** The newest signed checkpoint of each tenant's log: what is proven in it. */
  readonly checkpoints: Readonly<Record<string, string>>;
  /** The public half of the key that has signed these checkpoints, and the end of the file. Base64. */
  readonly publicKey: string;
}

export interface BackupEnd {
  readonly rows: Readonly<Record<string, number>>;
  /** SHA-256, in hex, of all lines before this one. */
  readonly digest: string;
  /** Ed25519 over `signedText(digest)`, base64. */
  readonly signature: string;
}

export interface TableLine {
  readonly table: string;
  readonly columns: readonly string[];
}

/** The first line says that it is no checkpoint and no token: the same key signs those. */
export const signedText = (digest: string): Buffer => Buffer.from(`signalbox backup 1\n${digest}\n`, "utf8");

export const columnsOf = (table: Table): readonly string[] => [
  ...Object.keys(table.columns),
  ...(table.shape === "log" ? ["cursor"] : []),
];

export const rowLine = (row: Row, columns: readonly string[]): string =>
  `${JSON.stringify(columns.map((column) => written(row[column] ?? null)))}\n`;

const written = (value: Value): string | number | null =>
  value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")
    : value;

/** The row as this program's table has it. Throws `backup-broken` when a value is none of its column's. */
export function readRow(table: Table, columns: readonly string[], values: readonly unknown[]): Row {
  if (values.length !== columns.length) throw broken(`a row of ${table.name} has ${values.length} values`);
  const row: Record<string, Value> = {};
  for (const name of columnsOf(table)) row[name] = null;
  for (const [at, name] of columns.entries()) row[name] = readValue(table, name, values[at]);
  return row;
}

function readValue(table: Table, name: string, value: unknown): Value {
  const column = name === "cursor" && table.shape === "log" ? cursorColumn : table.columns[name];
  if (value === null && column?.nullable === true) return null;
  switch (column?.type) {
    case "text":
      if (typeof value === "string") return value;
      break;
    case "integer":
      if (Number.isSafeInteger(value)) return value as number;
      break;
    case "blob":
      if (typeof value === "string") return Buffer.from(value, "base64");
      break;
    case undefined:
  }
  throw broken(`${table.name}.${name} has a value that it cannot have`);
}

const cursorColumn = { type: "integer", nullable: false } as const;
