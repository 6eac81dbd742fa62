import { createHash } from "node:crypto";
import type { Snapshot, Table } from "../store/index.ts";
import { ChunkWriter } from "./chunk.ts";
import { tablePages } from "./copy-tables.ts";
import type { FileSeal } from "./recipient.ts";
import type { BackupEnd, BackupHeader } from "./record.ts";
import { columnsOf, rowLine, signedText } from "./record.ts";

export interface BackupSource {
  /** The caller closes it. */
  readonly snapshot: Snapshot;
  readonly tables: readonly Table[];
  readonly header: BackupHeader;
  /** With the installation's key for its log. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** The bytes of a backup, made as they are asked for: whoever takes them slowly only holds the snapshot for longer. */
export async function* writeBackup(source: BackupSource, seal: FileSeal): AsyncGenerator<Buffer> {
  const { snapshot, tables, header, sign } = source;
  const chunks = new ChunkWriter(seal.key, seal.envelope);
  const digest = createHash("sha256");
  const counts: Record<string, number> = {};
  const digested = (text: string): Buffer => {
    const bytes = Buffer.from(text, "utf8");
    digest.update(bytes);
    return bytes;
  };
  yield chunks.begin();
  yield* chunks.write(digested(`${JSON.stringify({ header })}\n`));
  for await (const { table, rows } of tablePages(snapshot, tables)) {
    const columns = columnsOf(table);
    const isFirst = counts[table.name] === undefined;
    const line = isFirst ? `${JSON.stringify({ table: table.name, columns })}\n` : "";
    yield* chunks.write(digested(line + rows.map((row) => rowLine(row, columns)).join("")));
    counts[table.name] = (counts[table.name] ?? 0) + rows.length;
  }
  const sum = digest.digest("hex");
  const signature = Buffer.from(sign(signedText(sum))).toString("base64");
  const end: BackupEnd = { rows: counts, digest: sum, signature };
  yield* chunks.write(Buffer.from(`${JSON.stringify({ end })}\n`, "utf8"));
  yield chunks.end();
}
