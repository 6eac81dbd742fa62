import type { Clock } from "../base/index.ts";
import { Fault, msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Store, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import { openCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { hashBytes } from "./merkle.ts";
import { verifierKey } from "./note.ts";
import type { EntryRow, HeadRow } from "./tables.ts";
import { entryTable, headTable, sequenceTable } from "./tables.ts";
import { TileEdge } from "./tiles.ts";

/** About 4 ms of reading and hashing, so a call that arrives meanwhile hardly notices; the flush between two lets others in. */
const batchEntriesMax = 1024;

/** Who loses to another sequencer finds a longer log. Losing this often at one size means the records contradict each other. */
const lossesMax = 8;

/** What a round did: how many entries got a position, and whether there may be more. */
export interface Sequenced {
  readonly count: number;
  readonly isDone: boolean;
}

/**
 * Gives committed entries of one tenant their positions: follows the entry log by cursor, and writes a batch, its tiles, its
 * checkpoint and the head in one transaction. The head's old size guards it, so of two sequencers one loses and reads again (which a lease
 * makes rare: see sequencing.ts); a
 * checkpoint that was signed and not committed has never been seen. The log's own order keeps every entry behind its `after`.
 */
export class Sequencer {
  private readonly store: Store;
  private readonly keys: Pick<Keys, "sign" | "publicKey">;
  private readonly clock: Clock;
  private readonly tenant: TenantId;
  private readonly origin: string;
  private readonly onCheckpoint: (tenant: TenantId, checkpoint: string) => void;
  private state: State | null = null;
  private losses = { size: -1, count: 0 };

  constructor(options: {
    store: Store;
    keys: Pick<Keys, "sign" | "publicKey">;
    clock: Clock;
    tenant: TenantId;
    origin: string;
    onCheckpoint?: (tenant: TenantId, checkpoint: string) => void;
  }) {
    this.store = options.store;
    this.keys = options.keys;
    this.clock = options.clock;
    this.tenant = options.tenant;
    this.origin = options.origin;
    this.onCheckpoint = options.onCheckpoint ?? (() => {});
  }

  /** One batch. Rejects with Fault `internal` when what is stored does not prove itself: such a log is not extended. */
  async sequence(): Promise<Sequenced> {
    const state = this.state ?? (await this.load());
    // Only a committed batch puts it back: after anything else the store is the truth.
    this.state = null;
    const rows = await this.store.listLog(entryTable, {
      partition: this.tenant,
      after: state.cursor,
      limit: batchEntriesMax,
      columns: ["id", "leafHash"],
    });
    const last = rows.at(-1);
    if (last === undefined) {
      this.state = state;
      return { count: 0, isDone: true };
    }
    for (const row of rows) state.edge.append(checkedHash(this.tenant, row));
    const next = this.nextHead(state, last.cursor);
    const verdict = await this.store.commit([
      this.headWrite(state, next),
      insert(sequenceTable, {
        tenant: this.tenant,
        first: state.size,
        count: rows.length,
        fromCursor: state.cursor,
        toCursor: last.cursor,
        ids: rows.map((row) => row.id).join("\n"),
        checkpoint: next.checkpoint,
      }),
      ...state.edge.writes(),
    ]);
    if (verdict.verdict === "guard-failed") {
      const before = this.losses.size === state.size ? this.losses.count : 0;
      this.losses = { size: state.size, count: before + 1 };
      if (before === lossesMax) throw unproven(this.tenant, "head, batches and tiles contradict each other");
      return { count: 0, isDone: false };
    }
    this.state = { edge: state.edge, size: next.size, cursor: next.cursor, isNew: false };
    this.onCheckpoint(this.tenant, next.checkpoint);
    return { count: rows.length, isDone: rows.length < batchEntriesMax };
  }

  /** Whether there are entries that nobody has given a position yet: for who leaves it to another node. */
  async isBehind(): Promise<boolean> {
    const head = await this.store.get(headTable, { tenant: this.tenant });
    const [next] = await this.store.listLog(entryTable, {
      partition: this.tenant,
      after: head?.cursor ?? 0,
      limit: 1,
      columns: ["id"],
    });
    return next !== undefined;
  }

  private nextHead(state: State, cursor: number): HeadRow {
    const { size } = state.edge;
    const checkpoint = signCheckpoint(
      { origin: this.origin, size, root: state.edge.root() },
      this.keys.publicKey("log").raw,
      (bytes) => this.keys.sign("log", bytes),
    );
    const at = msOf(this.clock.wall());
    return { tenant: this.tenant, origin: this.origin, size, cursor, at, checkpoint };
  }

  private headWrite(before: State, next: HeadRow): Write {
    if (before.isNew) return insert(headTable, next);
    const { size, cursor, at, checkpoint } = next;
    return update(
      headTable,
      { tenant: this.tenant },
      { size, cursor, at, checkpoint },
      { size: before.size, cursor: before.cursor },
    );
  }

  private async load(): Promise<State> {
    const head = await this.store.get(headTable, { tenant: this.tenant });
    const size = head?.size ?? 0;
    const edge = await TileEdge.load(this.store, this.tenant, size);
    if (head === null) return { edge, size, cursor: 0, isNew: true };
    const trusted = verifierKey(this.origin, this.keys.publicKey("log").raw);
    const checkpoint = openCheckpoint(head.checkpoint, trusted);
    if (!checkpoint.ok) throw unproven(this.tenant, checkpoint.refusal.detail);
    if (checkpoint.value.size !== size || !edge.root().equals(checkpoint.value.root)) {
      throw unproven(
        this.tenant,
        `the tiles do not add up to the checkpoint of ${checkpoint.value.size} entries`,
      );
    }
    return { edge, size, cursor: head.cursor, isNew: false };
  }
}

interface State {
  readonly edge: TileEdge;
  readonly size: number;
  /** Of the last sequenced entry. */
  readonly cursor: number;
  /** Whether the tenant has no head yet. */
  readonly isNew: boolean;
}

function checkedHash(tenant: string, row: Pick<EntryRow, "id" | "leafHash">): Uint8Array {
  if (row.leafHash.byteLength === hashBytes) return row.leafHash;
  throw unproven(tenant, `entry ${row.id} has a leaf hash of ${row.leafHash.byteLength} bytes`);
}

const unproven = (tenant: string, detail: string): Fault =>
  new Fault(
    "internal",
    `the ledger of tenant ${tenant} does not prove itself and is not extended: ${detail}; run "signalbox audit verify"`,
    { effect: "none", evidence: { tenant } },
  );
