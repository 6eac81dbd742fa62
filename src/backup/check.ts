import { createHash, verify } from "node:crypto";
import { Fault } from "../base/index.ts";
import type { LogProof } from "../ledger/index.ts";
import { entryTable, logProofs } from "../ledger/index.ts";
import type { Row, Table } from "../store/index.ts";
import { dataVersionOf } from "../store/index.ts";
import { broken, openChunks } from "./chunk.ts";
import type { BackupEnd, BackupHeader, TableLine } from "./record.ts";
import { columnsOf, lineBytesMax, readRow, signedText } from "./record.ts";

/** Hears of everything as it is read. Nothing of it is whole before `checkBackup` has resolved. */
export interface BackupVisitor {
  header?(header: BackupHeader): void;
  rows?(table: Table, rows: readonly Row[]): Promise<void>;
}

export interface BackupReport {
  readonly header: BackupHeader;
  readonly rows: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** Entries of all tenants that the checkpoints of the header prove, and those that were not sequenced yet. */
  readonly proven: number;
  readonly unsequenced: number;
}

/** Rows handed on at once. */
const rowsPerPage = 256;

/**
 * Reads a backup to its end and checks all of it: every chunk, the digest and the signature over everything, the number of rows of each
 * table, and that the entries are those that the header's signed checkpoints cover. Throws Fault `backup-broken`, `store-version`.
 */
export async function checkBackup(
  source: AsyncIterable<Uint8Array>,
  keyOf: (envelope: string) => Uint8Array,
  tables: ReadonlyMap<string, Table>,
  visitor: BackupVisitor = {},
): Promise<BackupReport> {
  const reading = new Reading(tables, visitor);
  let bytes = 0;
  const counted = async function* () {
    for await (const piece of source) {
      bytes += piece.byteLength;
      yield piece;
    }
  };
  for await (const line of linesOf(openChunks(counted(), keyOf))) await reading.line(line);
  return { ...(await reading.end()), bytes };
}

async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, from)) {
      held.push(piece.subarray(from, at + 1));
      yield held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
      held = [];
      bytes = 0;
      from = at + 1;
    }
    held.push(piece.subarray(from));
    bytes += piece.length - from;
    if (bytes > lineBytesMax) throw broken(`a line has more than ${lineBytesMax} bytes`);
  }
  if (bytes > 0) throw broken("its last line does not end");
}

class Reading {
  private readonly tables: ReadonlyMap<string, Table>;
  private readonly visitor: BackupVisitor;
  private readonly digest = createHash("sha256");
  private header: BackupHeader | null = null;
  private proofs: ReadonlyMap<string, LogProof> = new Map();
  private table: { readonly table: Table; readonly columns: readonly string[] } | null = null;
  private page: Row[] = [];
  private readonly counts = new Map<string, number>();
  private unsequenced = 0;
  private closing: BackupEnd | null = null;

  constructor(tables: ReadonlyMap<string, Table>, visitor: BackupVisitor) {
    this.tables = tables;
    this.visitor = visitor;
  }

  async line(bytes: Buffer): Promise<void> {
    if (this.closing !== null) throw broken("something follows its last line");
    const value = parsed(bytes);
    if (this.header === null) {
      if (!("header" in value)) throw broken("it has no header");
      this.digest.update(bytes);
      this.begin((value as { readonly header: BackupHeader }).header);
    } else if (Array.isArray(value)) {
      this.digest.update(bytes);
      await this.row(value);
    } else if ("end" in value) {
      await this.flush();
      this.closing = (value as { readonly end: BackupEnd }).end;
    } else {
      this.digest.update(bytes);
      await this.flush();
      this.turnTo(value as unknown as TableLine);
    }
  }

  async end(): Promise<Omit<BackupReport, "bytes">> {
    const { header, closing } = this;
    if (header === null || closing === null) throw broken("it ends before its last line");
    const digest = this.digest.digest("hex");
    if (digest !== closing.digest) throw broken("what it holds is not what its last line says");
    const publicKey = Buffer.from(header.publicKey, "base64");
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]); // RFC 8410
    const key = { key: spki, format: "der", type: "spki" } as const;
    if (
      publicKey.length !== 32 ||
      !verify(null, signedText(digest), key, Buffer.from(closing.signature, "base64"))
    )
      throw broken("it is not signed by the installation that it says it is of");
    for (const name of new Set([...this.counts.keys(), ...Object.keys(closing.rows)])) {
      if (this.counts.get(name) !== closing.rows[name])
        throw broken(
          `it has ${this.counts.get(name) ?? 0} rows of ${name}; there were ${closing.rows[name] ?? 0}`,
        );
    }
    let proven = 0;
    for (const [tenant, proof] of this.proofs) {
      const problem = proof.problem();
      if (problem !== null) throw broken(`the ledger of tenant ${tenant} does not hold: ${problem}`);
      proven += proof.size;
    }
    return { header, rows: closing.rows, proven, unsequenced: this.unsequenced };
  }

  private begin(header: BackupHeader): void {
    if (header.format !== 1) throw broken(`its format is ${String(header.format)}; this program reads 1`);
    const own = dataVersionOf([...this.tables.values()]);
    if (header.dataVersion > own) {
      throw new Fault(
        "store-version",
        `the backup holds data of version ${header.dataVersion}, written by version ${header.code}; this program is of version ${own}`,
      );
    }
    if (Number.isNaN(Date.parse(header.at))) throw broken("its header does not say when it was made");
    this.header = header;
    this.proofs = logProofs(header.checkpoints, Buffer.from(header.publicKey, "base64"));
    this.visitor.header?.(header);
  }

  private turnTo({ table: name, columns }: TableLine): void {
    const table = this.tables.get(name);
    const known = table === undefined ? [] : columnsOf(table);
    const strange = table === undefined ? name : columns.find((column) => !known.includes(column));
    if (table === undefined || strange !== undefined)
      throw broken(
        `it holds ${strange ?? name}, which this program does not know: use the one that wrote it`,
      );
    if (this.counts.has(name)) throw broken(`it holds ${name} twice`);
    this.counts.set(name, 0);
    this.table = { table, columns };
  }

  private async row(values: readonly unknown[]): Promise<void> {
    if (this.table === null) throw broken("a row stands before its table");
    const { table, columns } = this.table;
    const row = readRow(table, columns, values);
    this.counts.set(table.name, (this.counts.get(table.name) ?? 0) + 1);
    if (
      table.name === entryTable.name &&
      this.proofs.get(row["tenant"] as string)?.add(row["leaf"] as string) !== true
    )
      this.unsequenced++;
    this.page.push(row);
    if (this.page.length === rowsPerPage) await this.flush();
  }

  private async flush(): Promise<void> {
    const { page, table } = this;
    this.page = [];
    if (table !== null && page.length > 0) await this.visitor.rows?.(table.table, page);
  }
}

function parsed(line: Buffer): object {
  try {
    const value: unknown = JSON.parse(line.toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // said below
  }
  throw broken("one of its lines does not read");
}
