import type { WallMs } from "../base/index.ts";
import { Fault, msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { EntryStream } from "./entry-stream.ts";
import {
  bundleWidth,
  entriesPath,
  exportNames,
  historyPath,
  payloadsPath,
  tilePath,
  tilesOf,
  widthOf,
} from "./export-layout.ts";
import { exportReadme } from "./export-readme.ts";
import { hashBytes } from "./merkle.ts";
import type { EntryRow, SequenceRow } from "./tables.ts";
import { headTable, sequenceTable, tileTable } from "./tables.ts";
import type { ArchiveFile } from "./tar.ts";
import type { LedgerRead } from "./verify-tenant.ts";
import { cosigned } from "./witnessed.ts";

export interface ExportRange {
  /** Entries before it are left out, but not their hashes; by whole bundles of 256. null = from the first. */
  readonly since: WallMs | null;
  /** The log as it was when it had this one's entries, by whole batches. null = as it is. */
  readonly until: WallMs | null;
}

export interface ExportOptions extends ExportRange {
  readonly tenant: TenantId;
  /** As text; stands in the export for convenience, and proves nothing there. */
  readonly verifierKey: string;
  readonly madeAt: WallMs;
  /** What is sealed of an entry as a JSON text; left out, nothing is opened. null = it has nothing. */
  readonly payload?: (row: EntryRow) => Promise<string | null>;
}

/** A length of 16 bits stands before each leaf in a bundle. */
const leafBytesMax = 65_535;
const batchesPerPage = 64;

/**
 * One tenant's log as files, each in memory while it is handed out: its newest checkpoint, then 256 entries at a time their checkpoints,
 * leaves and hashes, then the upper tiles. What is committed meanwhile is not in it. Throws `not-found` when nothing was sequenced
 * in the range.
 */
export async function* exportLog(read: LedgerRead, options: ExportOptions): AsyncGenerator<ArchiveFile> {
  const { tenant, since, until, verifierKey, madeAt } = options;
  const last = await lastBatch(read, tenant, until);
  if (last === null) throw new Fault("not-found", "nothing was sequenced in this time");
  const size = last.first + last.count;
  const first = since === null ? 0 : await bundleAt(read, tenant, since, size);
  const facts = {
    format: 1,
    tenant,
    size,
    firstEntry: first * bundleWidth,
    madeAt: iso(madeAt),
    since: since === null ? null : iso(since),
    until: until === null ? null : iso(until),
    payloads: options.payload !== undefined,
  };
  yield file(exportNames.readme, exportReadme);
  yield file(exportNames.key, `${verifierKey}\n`);
  yield file(exportNames.manifest, `${JSON.stringify(facts, null, 2)}\n`);
  yield file(exportNames.checkpoint, await cosigned(read, tenant, size, last.checkpoint));
  const history = new History(read, tenant);
  const entries = await entriesFrom(read, tenant, first * bundleWidth);
  for (let number = 0; number < tilesOf(size, 0); number++) {
    const width = widthOf(size, 0, number);
    const notes = await history.upTo(number * bundleWidth + width);
    if (notes.length > 0)
      yield file(historyPath(number), notes.map((note) => `${JSON.stringify(note)}\n`).join(""));
    const rows = number < first ? null : await entries.take(width);
    if (rows !== null) yield { path: entriesPath(number, width), bytes: bundleOf(rows, width) };
    yield { path: tilePath(0, number, width), bytes: await tileBytes(read, tenant, 0, number, width) };
    if (rows !== null && options.payload !== undefined) {
      const texts: string[] = [];
      for (const row of rows) texts.push((await options.payload(row)) ?? "");
      yield file(payloadsPath(number), texts.map((text) => (text === "" ? "" : `${text}\n`)).join(""));
    }
  }
  for (let level = 1; tilesOf(size, level) > 0; level++) {
    for (let number = 0; number < tilesOf(size, level); number++) {
      const width = widthOf(size, level, number);
      yield {
        path: tilePath(level, number, width),
        bytes: await tileBytes(read, tenant, level, number, width),
      };
    }
  }
}

/** The batch that holds this position; null = there is none. */
async function batchAt(read: LedgerRead, tenant: TenantId, position: number): Promise<SequenceRow | null> {
  const [batch] = await read.list(sequenceTable, {
    index: "key",
    equals: { tenant },
    upTo: position,
    order: "descending",
    limit: 1,
  });
  return batch ?? null;
}

/** The last one whose first entry is not after this. Entries come in the order of their times but for some moments, so whole batches count. */
async function lastBatch(
  read: LedgerRead,
  tenant: TenantId,
  until: WallMs | null,
): Promise<SequenceRow | null> {
  const head = await read.get(headTable, { tenant });
  if (head === null || head.size === 0) return null;
  if (until === null) return batchAt(read, tenant, head.size - 1);
  const after = await firstAfter(read, tenant, head.size, until);
  return after === 0 ? null : batchAt(read, tenant, after - 1);
}

/** The bundle that the batch of this time begins in. */
async function bundleAt(read: LedgerRead, tenant: TenantId, since: WallMs, size: number): Promise<number> {
  const after = await firstAfter(read, tenant, size, since);
  const batch = after === 0 ? null : await batchAt(read, tenant, after - 1);
  return Math.floor((batch?.first ?? 0) / bundleWidth);
}

/** Where the first batch begins whose first entry is later than this, by halving: about twenty reads for a million batches. */
async function firstAfter(read: LedgerRead, tenant: TenantId, size: number, at: WallMs): Promise<number> {
  let [low, high] = [0, size]; // batches that begin below `low` are not later; those from `high` on are
  while (low < high) {
    const batch = await batchAt(read, tenant, Math.floor((low + high) / 2));
    if (batch === null) return low;
    const { listed } = await firstEntry(read, tenant, batch);
    if (listed > msOf(at)) high = batch.first;
    else low = batch.first + batch.count;
  }
  return low;
}

async function firstEntry(
  read: LedgerRead,
  tenant: TenantId,
  batch: SequenceRow,
): Promise<{ readonly listed: number }> {
  const [row] = await new EntryStream(read, tenant, batch.fromCursor).take(1);
  return { listed: row?.at ?? 0 };
}

async function entriesFrom(read: LedgerRead, tenant: TenantId, position: number): Promise<EntryStream> {
  const batch = await batchAt(read, tenant, position);
  const stream = new EntryStream(read, tenant, batch?.fromCursor ?? 0);
  for (let skip = position - (batch?.first ?? 0); skip > 0; skip -= bundleWidth)
    await stream.take(Math.min(skip, bundleWidth));
  return stream;
}

function bundleOf(rows: readonly EntryRow[], width: number): Buffer {
  if (rows.length < width)
    throw new Fault(
      "internal",
      'the log ends before what its checkpoint covers; run "signalbox audit verify"',
    );
  const parts = rows.flatMap((row) => {
    const leaf = Buffer.from(row.leaf, "utf8");
    if (leaf.byteLength > leafBytesMax)
      throw new Fault(
        "internal",
        `entry ${row.id} has a leaf of ${leaf.byteLength} bytes; a bundle takes ${leafBytesMax}`,
      );
    const length = Buffer.alloc(2);
    length.writeUInt16BE(leaf.byteLength);
    return [length, leaf];
  });
  return Buffer.concat(parts);
}

async function tileBytes(
  read: LedgerRead,
  tenant: TenantId,
  level: number,
  number: number,
  width: number,
): Promise<Uint8Array> {
  const hashes = (await read.get(tileTable, { tenant, level, number }))?.hashes ?? new Uint8Array();
  if (hashes.byteLength < width * hashBytes)
    throw new Fault("internal", `ledger tile ${level}/${number} of tenant ${tenant} is missing or too short`);
  return hashes.subarray(0, width * hashBytes); // it may have grown since the checkpoint
}

/** The signed checkpoints in order, with what witnesses said of them, read page by page. */
class History {
  private readonly read: LedgerRead;
  private readonly tenant: TenantId;
  private page: readonly SequenceRow[] = [];
  private after = -1;

  constructor(read: LedgerRead, tenant: TenantId) {
    this.read = read;
    this.tenant = tenant;
  }

  /** Those over at most so many entries that were not given yet. */
  async upTo(size: number): Promise<readonly string[]> {
    const notes: string[] = [];
    for (;;) {
      const [batch, ...rest] = this.page;
      if (batch === undefined) {
        this.page = await this.read.list(sequenceTable, {
          index: "key",
          equals: { tenant: this.tenant },
          after: this.after,
          limit: batchesPerPage,
        });
        if (this.page.length === 0) return notes;
        this.after = this.page.at(-1)?.first ?? this.after;
        continue;
      }
      const over = batch.first + batch.count;
      if (over > size) return notes;
      notes.push(await cosigned(this.read, this.tenant, over, batch.checkpoint));
      this.page = rest;
    }
  }
}

const file = (path: string, text: string): ArchiveFile => ({ path, bytes: Buffer.from(text, "utf8") });
const iso = (at: WallMs): string => new Date(msOf(at)).toISOString();
