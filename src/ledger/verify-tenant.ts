import type { WallMs } from "../base/index.ts";
import { RecentMap, commitment, explain, msOf, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Logged, Store } from "../store/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { diagnose } from "./diagnose.ts";
import { EntryStream } from "./entry-stream.ts";
import { entryOfLeaf, leafHashOf } from "./leaf.ts";
import { Frontier } from "./merkle.ts";
import type { VerifierKey } from "./note.ts";
import type { OpenedPayload, SealedPayload } from "./payload.ts";
import type { Entry, EntryId, Payload } from "./shapes.ts";
import type { EntryRow, SequenceRow } from "./tables.ts";
import { entryTable, headTable, sequenceTable } from "./tables.ts";
import { TileCheck } from "./tile-check.ts";
import type { Broken, BrokenKind } from "./verify-report.ts";
import { BrokenFound } from "./verify-report.ts";

export type LedgerRead = Pick<Store, "get" | "list" | "getLogged" | "listLog">;

/** Opens payloads when keys are at hand. Rejects when the sealed bytes were changed. */
export type PayloadOpener = (entry: EntryId, sealed: SealedPayload) => Promise<OpenedPayload>;

/** Rows of batches read at once, and how far ahead a diagnosis looks. */
const batchesPerPage = 64;
const followingRows = 512;
/** Ours have 1,024 entries. What claims more than this is not ours, and would not fit in memory. */
const batchEntriesLimit = 65_536;
/** Ids remembered, so that `after` seldom needs a read: an outcome follows its intent closely. */
const recentIdsMax = 16_384;

/** Proves one tenant's log from its first entry on, a batch at a time, in bounded memory. */
export class TenantWalk {
  proven = 0;
  checkpoints = 0;
  checkpoint: string | null = null;
  readonly payloads = { opened: 0, erased: 0, unopened: 0 };
  readonly tail: { entries: number; oldestAt: WallMs | null } = { entries: 0, oldestAt: null };

  private readonly read: LedgerRead;
  private readonly tenant: TenantId;
  private readonly trusted: VerifierKey;
  private readonly remembered: readonly Checkpoint[];
  private readonly openPayload: PayloadOpener | null;
  private readonly entries: EntryStream;
  private readonly tiles: TileCheck;
  private readonly tree = new Frontier();
  private readonly recent = new RecentMap<string, true>(recentIdsMax);
  private lastCursor = 0;
  /** First position of the last batch that was read. */
  private lastBatch = -1;

  constructor(options: {
    read: LedgerRead;
    tenant: TenantId;
    trusted: VerifierKey;
    remembered: readonly Checkpoint[];
    openPayload: PayloadOpener | null;
  }) {
    this.read = options.read;
    this.tenant = options.tenant;
    this.trusted = options.trusted;
    this.remembered = options.remembered;
    this.openPayload = options.openPayload;
    this.entries = new EntryStream(options.read, options.tenant);
    this.tiles = new TileCheck(options.read, options.tenant);
  }

  /** Null when everything holds; else the first thing that does not. */
  async run(): Promise<Broken | null> {
    try {
      await this.walkBatches();
      await this.checkHead();
      for (const { size } of this.remembered) {
        if (size > this.proven) {
          throw found(
            "truncated",
            this.proven,
            null,
            `a remembered checkpoint covers ${size} entries; here are ${this.proven}`,
          );
        }
      }
      await this.walkTail();
      return null;
    } catch (thrown) {
      if (thrown instanceof BrokenFound) return thrown.broken;
      throw thrown;
    }
  }

  private async walkBatches(): Promise<void> {
    for (;;) {
      const page = await this.read.list(sequenceTable, {
        index: "key",
        equals: { tenant: this.tenant },
        after: this.lastBatch,
        limit: batchesPerPage,
      });
      for (const [i, batch] of page.entries()) await this.walkBatch(batch, page.slice(i + 1));
      const last = page.at(-1);
      if (last === undefined) return;
      this.lastBatch = last.first;
    }
  }

  private async walkBatch(batch: SequenceRow, later: readonly SequenceRow[]): Promise<void> {
    const first = this.proven;
    const signed = this.checkedBatch(batch);
    const count = signed.size - first;
    const before = this.tree.copy();
    const rows = await this.entries.take(count);
    const hashes = rows.map((row) => leafHashOf(row.leaf));
    let rewritten: Checkpoint | null = null;
    for (const hash of hashes) {
      this.tree.append(hash, (height, node) => this.tiles.expect(height, this.tree.size, node));
      rewritten ??= this.contradicted();
    }
    if (rows.length < count || !this.tree.root().equals(signed.root)) {
      // Of positions whose batch is gone nothing is known.
      const ids = [...Array.from({ length: batch.first - first }, () => ""), ...batch.ids.split("\n")];
      throw new BrokenFound(
        await diagnose({
          first,
          before,
          root: signed.root,
          count,
          rows,
          following: await this.entries.take(followingRows),
          ids,
          laterIds: new Set(later.flatMap((row) => row.ids.split("\n"))),
          tileHashes: await this.tiles.leafHashes(first, count),
          exists: async (id) => (await this.read.getLogged(entryTable, id))?.tenant === this.tenant,
        }),
      );
    }
    for (const [i, row] of rows.entries()) await this.checkEntry(row, first + i, hashes[i] as Buffer);
    if (rewritten !== null) {
      throw found(
        "rewritten",
        null,
        null,
        `the first ${rewritten.size} entries are not those a remembered checkpoint covers`,
      );
    }
    this.checkRecords(first, batch, rows);
    await this.tiles.compare();
    this.proven = signed.size;
    this.checkpoints++;
    this.checkpoint = batch.checkpoint;
  }

  /** Signature, origin and size before anything the batch says is used. */
  private checkedBatch(batch: SequenceRow): Checkpoint {
    const at = this.proven;
    const checkpoint = openCheckpoint(batch.checkpoint, this.trusted);
    if (!checkpoint.ok) throw found("signature", at, null, checkpoint.refusal.detail);
    const end = checkpoint.value.size;
    if (batch.first < at || batch.first + batch.count !== end || end <= at || end - at > batchEntriesLimit) {
      throw found(
        "records",
        at,
        null,
        `the batch at ${batch.first} with ${batch.count} entries does not fit its checkpoint`,
      );
    }
    return checkpoint.value;
  }

  /** The first remembered checkpoint of exactly the size reached that has another root. */
  private contradicted(): Checkpoint | null {
    if (this.remembered.length === 0) return null;
    const same = this.remembered.filter(({ size }) => size === this.tree.size);
    return same.find(({ root }) => !this.tree.root().equals(root)) ?? null;
  }

  /** The leaf is proven; does everything beside it agree with it? */
  private async checkEntry(row: Logged<EntryRow>, position: number | null, hash: Buffer): Promise<void> {
    const edited = (detail: string) => found("edited", position, row.id, detail);
    const entry = parsed(row);
    if (entry === null) throw edited("its leaf does not read");
    if (!hash.equals(row.leafHash)) throw edited("leaf and leaf hash differ");
    if (entry.id !== row.id) throw edited(`its leaf says id ${entry.id}`);
    if (entry.tenant !== row.tenant) throw edited(`its leaf says tenant ${entry.tenant}`);
    if (msOf(entry.at) !== row.at) throw edited("its leaf says another time");
    if (entry.kind !== row.kind) throw edited(`its leaf says kind ${entry.kind}`);
    if (entry.call !== row.call) throw edited(`its leaf says call ${entry.call ?? "none"}`);
    if (entry.after !== null && !(await this.isBefore(entry.after, row))) {
      throw found("order", position, row.id, `it follows ${entry.after}, which is not before it`);
    }
    this.recent.set(row.id, true);
    await this.checkPayload(row, entry, position);
  }

  private async isBefore(after: EntryId, row: Logged<EntryRow>): Promise<boolean> {
    if (this.recent.has(after)) return true;
    const earlier = await this.read.getLogged(entryTable, after);
    return earlier !== null && earlier.tenant === row.tenant && earlier.cursor < row.cursor;
  }

  private async checkPayload(row: EntryRow, entry: Entry, position: number | null): Promise<void> {
    if (row.payload === null || row.payloadScope === null) {
      // Erasing destroys a key and leaves the bytes. An outcome's arguments stand beside its intent.
      const { arguments: args, result, payload } = entry.commitments;
      const own = result ?? payload ?? (entry.after === null ? args : undefined);
      if (own === undefined) return;
      throw found("payload", position, row.id, "what it commits to is gone");
    }
    if (this.openPayload === null) {
      this.payloads.unopened++;
      return;
    }
    let opened: OpenedPayload;
    try {
      opened = await this.openPayload(entry.id, { bytes: row.payload, scope: row.payloadScope });
    } catch (thrown) {
      throw found("payload", position, row.id, explain(thrown));
    }
    if (opened.erased) {
      this.payloads.erased++;
      return;
    }
    const salt = await this.saltOf(opened.payload, entry);
    for (const name of ["arguments", "result"] as const) {
      const bytes = opened.payload[name];
      const committed = entry.commitments[name];
      if (bytes === undefined || committed === undefined || salt === null) continue;
      if (commitment(salt, bytes) !== committed) {
        throw found("payload", position, row.id, `its ${name} are not what was committed to`);
      }
    }
    this.payloads.opened++;
  }

  /** An outcome's salt stands in the payload of its intent. Null when that was erased, or does not open: its own row says so. */
  private async saltOf(own: Payload, { after }: Entry): Promise<Buffer | null> {
    if (own.salt !== undefined) return Buffer.from(own.salt, "base64");
    if (after === null) return Buffer.alloc(0); // nothing it can have committed with
    const row = await this.read.getLogged(entryTable, after);
    if (row === null || row.payload === null || row.payloadScope === null || this.openPayload === null)
      return null;
    try {
      const sealed = { bytes: row.payload, scope: row.payloadScope };
      const opened = await this.openPayload(row.id as EntryId, sealed);
      return opened.erased || opened.payload.salt === undefined
        ? null
        : Buffer.from(opened.payload.salt, "base64");
    } catch {
      return null;
    }
  }

  /** Unsigned records that receipts and the sequencer rely on. */
  private checkRecords(first: number, batch: SequenceRow, rows: readonly Logged<EntryRow>[]): void {
    if (batch.first !== first) {
      const detail = `the batch that names positions ${first} to ${batch.first - 1} is gone; the entries are there`;
      throw found("records", first, null, detail);
    }
    const last = rows.at(-1)?.cursor ?? 0;
    const isFitting =
      batch.fromCursor === this.lastCursor &&
      batch.toCursor === last &&
      batch.ids === rows.map((row) => row.id).join("\n");
    if (!isFitting) {
      throw found(
        "records",
        batch.first,
        null,
        `the batch at ${batch.first} does not name the entries it covers`,
      );
    }
    this.lastCursor = last;
  }

  private async checkHead(): Promise<void> {
    const head = await this.read.get(headTable, { tenant: this.tenant });
    if (head === null) {
      if (this.proven > 0) throw found("records", null, null, "the head of the log is gone");
      return;
    }
    // Batches that were committed while we were reading.
    if (head.size > this.proven) await this.walkBatches();
    if (head.size > this.proven) {
      throw found(
        "truncated",
        this.proven,
        null,
        `the head says ${head.size} entries; here are ${this.proven}`,
      );
    }
    if (
      head.size === this.proven &&
      (head.checkpoint !== this.checkpoint || head.cursor !== this.lastCursor)
    ) {
      throw found("records", null, null, "the head does not fit the last batch");
    }
    if (
      head.size < this.proven &&
      (await this.read.get(headTable, { tenant: this.tenant }))?.size === head.size
    ) {
      throw found("records", null, null, `the head says ${head.size} entries; batches cover ${this.proven}`);
    }
  }

  private async walkTail(): Promise<void> {
    for (;;) {
      const rows = await this.entries.take(followingRows);
      if (rows.length === 0) return;
      this.tail.oldestAt ??= wallMs(rows[0]?.at ?? 0);
      for (const row of rows) {
        await this.checkEntry(row, null, leafHashOf(row.leaf));
        this.tail.entries++;
      }
    }
  }
}

function parsed(row: EntryRow): Entry | null {
  try {
    return entryOfLeaf(row.leaf);
  } catch {
    return null;
  }
}

const found = (
  kind: BrokenKind,
  position: number | null,
  entry: string | null,
  detail: string,
): BrokenFound =>
  // An id out of the store is what it is: it only names something in a report.
  new BrokenFound({ kind, position, entry: entry as EntryId | null, detail });
