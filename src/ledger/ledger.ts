import type { Clock, Result } from "../base/index.ts";
import { Fault, invariant, msOf, ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant, systemTenant } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Logged, Store } from "../store/index.ts";
import { Duty } from "../store/index.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { Doubt } from "./doubt.ts";
import { entryOfLeaf, leafHashOf } from "./leaf.ts";
import { consistencyProof } from "./consistency.ts";
import { inclusionRanges, rangeHash, verifyInclusion } from "./merkle.ts";
import { isKeyName, verifierKeyText } from "./note.ts";
import type { OpenedPayload, SealedPayload } from "./payload.ts";
import { openPayload } from "./payload.ts";
import type { Review } from "./reviews.ts";
import { ReviewBook } from "./reviews.ts";
import { receiptText } from "./receipt.ts";
import { Sequencer } from "./sequencer.ts";
import type { LedgerAlert, SequencingStats } from "./sequencing.ts";
import { Sequencing, sequencerLeaseMs } from "./sequencing.ts";
import type { CallId, Entry, EntryId } from "./shapes.ts";
import type { EntryRow, SequenceRow } from "./tables.ts";
import { entryTable, headTable, sequenceTable } from "./tables.ts";
import type { ExportRange } from "./log-export.ts";
import { exportLog } from "./log-export.ts";
import { packed } from "./tar.ts";
import { TileReader } from "./tiles.ts";
import type { Witness } from "./witness.ts";
import { cosigned, firstWitnessed } from "./witnessed.ts";
import type { WitnessAlert, WitnessStanding } from "./witnessing.ts";
import { Witnessing, witnessLeaseMs } from "./witnessing.ts";

export interface LedgerOptions {
  readonly store: Store;
  readonly keys: Keys;
  readonly clock: Clock;
  /** Fixed when the installation is created: it is part of every checkpoint's origin. No spaces, no "+". */
  readonly installationId: string;
  /** This process among those on the same data, who sequence in turns. Left out: there is no other. */
  readonly holder?: string;
  /** Hears of tails older than 10 s and of batches that failed. */
  readonly onAlert?: (alert: LedgerAlert | WitnessAlert) => void;
  /** Who co-signs checkpoints. Left out: nobody. */
  readonly witnesses?: readonly Witness[];
  /** Of how many of them a witnessed receipt has the word. */
  readonly witnessQuorum?: number;
  /** Whether this is all that was on record; left out: there never is a doubt. */
  readonly doubt?: Doubt;
  /** Hears of every checkpoint that has become the newest of its tenant, for keeping outside. Must not throw. */
  readonly onCheckpoint?: (tenant: TenantId, checkpoint: string) => void;
}

/** An entry as it stands in the log. */
export interface LedgerEntry {
  readonly entry: Entry;
  readonly leaf: string;
  readonly leafHash: Uint8Array;
  /** Its place in the log of all tenants: grows, with gaps. Not its position in the tree. */
  readonly cursor: number;
  /** null = it was written without one. */
  readonly sealed: SealedPayload | null;
}

/** Each reads a log from end to end beside the calls. */
const exportsAtOnceMax = 2;
const exportsUnderWay = `${exportsAtOnceMax} exports are under way: wait until one is done.`;
/** More entries than any call has: an intent, an outcome, and what people resolved. */
const entriesPerCallMax = 128;
/** Heads looked at when starting. Tenants beyond are sequenced as soon as anything of theirs is noted. */
const headsAtStartMax = 10_000;

/** Reads entries, proves them, and keeps them in sequence. Entries are written by whoever drives an act, with `entryWrite`. */
export class Ledger {
  /** Who begins and ends it is the one who opened the store. */
  readonly doubt: Doubt;
  private readonly options: LedgerOptions;
  private readonly store: Store;
  private readonly sequencing: Sequencing;
  private readonly reviews: ReviewBook;
  private readonly witnessing: Witnessing;
  private exports = 0;

  constructor(options: LedgerOptions) {
    this.options = options;
    this.store = options.store;
    this.doubt = options.doubt ?? new Doubt(options.clock);
    this.reviews = new ReviewBook(options.store, options.clock);
    this.sequencing = new Sequencing({
      clock: options.clock,
      sequencerOf: (tenant) => new Sequencer({ ...options, tenant, origin: this.origin(tenant) }),
      dutyOf: (tenant) => dutyOf(options, `sequencer/${tenant}`, sequencerLeaseMs),
      onAlert: options.onAlert ?? (() => {}),
    });
    this.witnessing = new Witnessing({
      store: options.store,
      clock: options.clock,
      witnesses: options.witnesses ?? [],
      duty: dutyOf(options, "witnesses", witnessLeaseMs),
      onAlert: options.onAlert ?? (() => {}),
    });
  }

  /** After store and keys. Rejects with `config-invalid` when the data belongs to another installation id. */
  async start(): Promise<void> {
    const heads = await this.store.list(headTable, { index: "key", limit: headsAtStartMax });
    for (const { tenant, origin } of heads) {
      // Written by a sequencer under a tenant's id.
      const expected = this.origin(tenant as TenantId);
      if (origin !== expected) {
        throw new Fault(
          "config-invalid",
          `the ledger of tenant ${tenant} was begun as ${origin}; this node would sign ${expected}. ` +
            `Start it with the installation id the data was created with.`,
        );
      }
    }
    const tenants = new Set([systemTenant, defaultTenant, ...heads.map((head) => head.tenant as TenantId)]);
    await this.reviews.start();
    this.sequencing.start(tenants);
    this.witnessing.start();
  }

  /** Sequences what is there, then stops. Never rejects; safe to call twice. */
  async stop(): Promise<void> {
    this.reviews.stop();
    await this.sequencing.stop();
    await this.witnessing.stop();
  }

  /** Tell it after each commit that appended entries of this tenant. */
  noted(tenant: TenantId): void {
    this.sequencing.noted(tenant);
  }

  /** What a tenant's open work waits for; null = it was not brought back to an earlier state, or has been released since. */
  review(tenant: TenantId): Review | null {
    return this.reviews.of(tenant);
  }

  /** After a commit that began or ended a review. */
  reviewsChanged(): Promise<void> {
    return this.reviews.refresh();
  }

  stats(): SequencingStats {
    return this.sequencing.stats();
  }

  /** What witnesses say, as far as this node is the one that asks them. */
  witnesses(): readonly WitnessStanding[] {
    return this.witnessing.standings();
  }

  get installationId(): string {
    return this.options.installationId;
  }

  /** `<installation id>/<tenant id>`: the name of this tenant's log and of its key. */
  origin(tenant: TenantId): string {
    const origin = `${this.options.installationId}/${tenant}`;
    invariant(isKeyName(origin), `"${origin}" cannot be an origin: spaces, "+" or control characters`);
    return origin;
  }

  /** What a reader of receipts needs: `<origin>+<id>+<key>`. */
  verifierKey(tenant: TenantId): string {
    return verifierKeyText(this.origin(tenant), this.options.keys.publicKey("log").raw);
  }

  /** The newest signed checkpoint with what witnesses said of it, for keeping outside; null before the first. */
  async checkpoint(tenant: TenantId): Promise<string | null> {
    const head = await this.store.get(headTable, { tenant });
    return head === null ? null : cosigned(this.store, tenant, head.size, head.checkpoint);
  }

  /** That the log of `second` entries begins with its first `first`: hashes in base64. Refused beyond what is sequenced. */
  async consistency(tenant: TenantId, first: number, second: number): Promise<Result<readonly string[]>> {
    const size = (await this.store.get(headTable, { tenant }))?.size ?? 0;
    if (first > second || second > size) {
      const detail = `There is no proof from ${first} to ${second} entries: the log has ${size}.`;
      return refuse({ code: "invalid-params", detail });
    }
    const proof = await consistencyProof(this.store, tenant, first, second);
    return ok(proof.map((hash) => Buffer.from(hash).toString("base64")));
  }

  /**
   * The tlog-proof of an entry, the same bytes at every call. `receipt-pending` until it is sequenced. Witnessed, it is under the first
   * checkpoint that the quorum of witnesses has co-signed, and pending until there is one.
   */
  async receipt(tenant: TenantId, id: EntryId, isWitnessed = false): Promise<Result<string>> {
    const row = await this.row(tenant, id);
    if (row === null) return refuse({ code: "not-found", detail: "There is no such entry." });
    const batch = await this.batchWith(tenant, row.cursor);
    if (batch === null) {
      return refuse({ code: "receipt-pending", detail: "Not yet sequenced; try again in a second." });
    }
    const within = batch.ids.split("\n").indexOf(id);
    const index = batch.first + within;
    const note = isWitnessed
      ? await firstWitnessed(this.store, tenant, index, this.options.witnessQuorum ?? 1)
      : batch.checkpoint;
    if (note === null)
      return refuse({ code: "receipt-pending", detail: "Not enough witnesses have co-signed it yet." });
    const checkpoint = parseCheckpoint(note);
    if (within === -1 || checkpoint === null) throw unprovable(id);
    const { subtree } = new TileReader(this.store, tenant);
    const proof = await Promise.all(
      inclusionRanges(index, checkpoint.size).map((range) => rangeHash(range, subtree)),
    );
    // Never hand out a proof that does not prove: the reader could not tell damage from fraud.
    if (!verifyInclusion(leafHashOf(row.leaf), index, checkpoint.size, proof, checkpoint.root))
      throw unprovable(id);
    return ok(receiptText({ leaf: row.leaf, index, proof, checkpoint: note }));
  }

  /** Whether `export` would begin: a stream that has begun can only break off. */
  async mayExport(tenant: TenantId): Promise<Result<null>> {
    if (this.exports >= exportsAtOnceMax) return refuse({ code: "conflict", detail: exportsUnderWay });
    const head = await this.store.get(headTable, { tenant });
    return head === null
      ? refuse({ code: "receipt-pending", detail: "Nothing has been sequenced yet." })
      : ok(null);
  }

  /**
   * The tenant's log as an archive that verifies anywhere, made while it is read; `withPayloads` opens what is sealed, which the caller
   * has made sure is allowed. Throws `conflict` when others are being made, `not-found` when nothing was sequenced in the range.
   */
  async *export(tenant: TenantId, range: ExportRange, withPayloads = false): AsyncGenerator<Uint8Array> {
    if (this.exports >= exportsAtOnceMax) throw new Fault("conflict", exportsUnderWay);
    this.exports++;
    try {
      const madeAt = this.options.clock.wall();
      const payload = (row: EntryRow) => this.payloadLine(row);
      const verifierKey = this.verifierKey(tenant);
      const options = { ...range, tenant, verifierKey, madeAt, ...(withPayloads ? { payload } : {}) };
      yield* packed(exportLog(this.store, options), Math.floor(msOf(madeAt) / 1_000));
    } finally {
      this.exports--;
    }
  }

  /** Null when it does not exist in this tenant. */
  async entry(tenant: TenantId, id: EntryId): Promise<LedgerEntry | null> {
    const row = await this.row(tenant, id);
    return row === null ? null : entryOf(row);
  }

  /** In order of their writing. */
  async entriesOfCall(tenant: TenantId, call: CallId): Promise<readonly LedgerEntry[]> {
    const rows = await this.store.listById(entryTable, `${call}:`, entriesPerCallMax);
    return rows
      .filter((row) => row.tenant === tenant)
      .toSorted((a, b) => a.cursor - b.cursor)
      .map(entryOf);
  }

  /** Newest first; page with the last one's cursor as `before`. */
  async list(
    tenant: TenantId,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly LedgerEntry[]> {
    const rows = await this.store.listLog(entryTable, {
      partition: tenant,
      ...(page.before === undefined ? {} : { after: page.before }),
      order: "descending",
      limit: page.limit,
    });
    return rows.map(entryOf);
  }

  /** Null when the entry has none. Rejects with a Fault when the sealed bytes were changed. */
  async payload(found: LedgerEntry): Promise<OpenedPayload | null> {
    if (found.sealed === null) return null;
    return openPayload(this.options.keys, found.entry.id, found.sealed);
  }

  /** As `payload`, where nothing else of the entry is needed. undefined = it does not exist in this tenant. */
  async payloadOf(tenant: TenantId, id: EntryId): Promise<OpenedPayload | null | undefined> {
    const row = await this.row(tenant, id);
    if (row === null) return undefined;
    const sealed = sealedOf(row);
    return sealed === null ? null : openPayload(this.options.keys, id, sealed);
  }

  private async payloadLine(row: EntryRow): Promise<string | null> {
    const { id } = row;
    const sealed = sealedOf(row);
    if (sealed === null) return null;
    const opened = await openPayload(this.options.keys, id as EntryId, sealed); // of our own log
    return JSON.stringify({ entry: id, erased: opened.erased, ...(opened.erased ? {} : opened.payload) });
  }

  private async row(tenant: TenantId, id: EntryId): Promise<Logged<EntryRow> | null> {
    const row = await this.store.getLogged(entryTable, id);
    return row?.tenant === tenant ? row : null;
  }

  private async batchWith(tenant: TenantId, cursor: number): Promise<SequenceRow | null> {
    const [batch] = await this.store.list(sequenceTable, {
      index: "cursor",
      equals: { tenant },
      from: cursor,
      limit: 1,
    });
    return batch === undefined || batch.fromCursor >= cursor ? null : batch;
  }
}

const dutyOf = (
  { store, clock, holder }: Pick<LedgerOptions, "store" | "clock" | "holder">,
  name: string,
  ttlMs: number,
): Duty => new Duty({ store, clock, name, holder: holder ?? "local", ttlMs });

function entryOf(row: Logged<EntryRow>): LedgerEntry {
  const { leaf, leafHash, cursor } = row;
  return { entry: readLeaf(row.id, leaf), leaf, leafHash, cursor, sealed: sealedOf(row) };
}

const sealedOf = ({ payload, payloadScope }: EntryRow): SealedPayload | null =>
  payload === null || payloadScope === null ? null : { bytes: payload, scope: payloadScope };

function readLeaf(id: string, leaf: string): Entry {
  try {
    return entryOfLeaf(leaf);
  } catch (thrown) {
    throw new Fault("internal", `entry ${id} was changed in the store: its leaf does not read`, {
      effect: "none",
      cause: thrown,
    });
  }
}

const unprovable = (id: EntryId): Fault =>
  new Fault(
    "internal",
    `entry ${id} is in the log but its proof does not hold; run "signalbox audit verify"`,
    {
      effect: "none",
      evidence: { entry: id },
    },
  );
