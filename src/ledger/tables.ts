import {
  blob,
  blobOrNull,
  integer,
  integerOrNull,
  keyedTable,
  logTable,
  text,
  textOrNull,
} from "../store/index.ts";
import type { RowOf } from "../store/index.ts";

/**
 * Entries are immutable and carry no position: the sequencer keeps the order beside them. `leafHash` stands in its own column so
 * that sequencing needs no hashing of leaves.
 */
export const entryTable = logTable({
  name: "entry",
  id: "id",
  partition: "tenant",
  columns: {
    id: text,
    tenant: text,
    at: integer,
    kind: text,
    call: textOrNull,
    leaf: text,
    leafHash: blob,
    payload: blobOrNull,
    payloadScope: textOrNull, // null = no payload
  },
});

/** One row per batch: which entries took the positions from `first` on, and the checkpoint signed over all up to its last. */
export const sequenceTable = keyedTable({
  name: "sequence",
  key: ["tenant", "first"],
  indexes: { cursor: ["tenant", "toCursor"] },
  columns: {
    tenant: text,
    first: integer,
    count: integer,
    fromCursor: integer, // exclusive
    toCursor: integer, // inclusive
    ids: text, // entry ids in order of position, one per line
    checkpoint: text,
  },
});

/** tlog-tiles: 256 hashes of one level; only a tree's last tile of a level may have fewer. */
export const tileTable = keyedTable({
  name: "tile",
  key: ["tenant", "level", "number"],
  columns: { tenant: text, level: integer, number: integer, hashes: blob },
});

/** One row per tenant. Every batch is guarded by it, so two sequencers cannot fork a log. */
export const headTable = keyedTable({
  name: "ledger_head",
  key: ["tenant"],
  columns: {
    tenant: text,
    origin: text, // fixed at creation
    size: integer,
    cursor: integer, // of the last sequenced entry
    at: integer, // wall ms of the checkpoint
    checkpoint: text,
  },
});

/** What witnesses said about checkpoints: a verified line each, of the checkpoint that was signed over `size` entries. */
export const cosignatureTable = keyedTable({
  name: "cosignature",
  since: 2,
  key: ["tenant", "size", "witness"],
  indexes: { witness: ["tenant", "witness", "size"] },
  columns: {
    tenant: text,
    size: integer,
    witness: text, // the name of its key
    at: integer, // wall ms, by the witness's clock
    line: text,
  },
});

/** Calls that were dispatched, or wait, and have no final outcome yet. */
export const openCallTable = keyedTable({
  name: "open_call",
  key: ["call"],
  unique: { same: ["tenant", "principal", "same"] },
  indexes: { state: ["tenant", "state", "call"], node: ["node", "call"] },
  columns: {
    call: text,
    tenant: text,
    principal: text,
    subject: text,
    class: text,
    state: text,
    node: text,
    fence: integer,
    dispatchBy: integer, // store ms
    intentEntry: text,
    stepDigest: text,
    claimScope: textOrNull,
    claimName: textOrNull,
    same: textOrNull,
  },
});

/** Who may carry out a named step or key, and what became of it. */
export const claimTable = keyedTable({
  name: "claim",
  key: ["tenant", "scope", "name"],
  indexes: { expiry: ["expiresAt"] },
  // Steps never expire, and each would change one more page: those of a run lie together here, but not with other runs'.
  sparse: ["expiry"],
  columns: {
    tenant: text,
    scope: text,
    name: text,
    call: text,
    stepDigest: text,
    state: text,
    outcomeEntry: textOrNull,
    expiresAt: integerOrNull, // store ms; null = kept with its run
  },
});

/** Attached runs: a caller-chosen name, scoped to its owner, and the id we gave it. */
export const runTable = keyedTable({
  name: "run",
  key: ["tenant", "owner", "name"],
  unique: { run: ["run"] },
  indexes: {
    tenant: ["tenant", "run"],
    state: ["tenant", "state", "run"],
    deadline: ["state", "deadline"],
    wake: ["state", "wakeAt"],
    wakeByHook: ["state", "hook", "wakeAt"],
    holder: ["holder", "run"],
    parent: ["parent", "run"],
    children: ["parent", "atParentEnd", "state"],
  },
  sparse: ["deadline", "wake", "wakeByHook", "holder", "parent", "children"],
  columns: {
    tenant: text,
    owner: text, // the owner and its whole chain, with spaces between
    name: text,
    run: text,
    chain: text, // JSON array of principal ids: the owner's whole chain at creation
    attempt: integer,
    state: text,
    createdAt: integer, // wall ms
    aliveUntil: integerOrNull, // store ms; null = nobody is expected to work on it
    deadline: integerOrNull, // store ms; null = none
    waitsFor: textOrNull, // JSON array; null = nothing
    endedAt: integerOrNull, // wall ms; null = open
    endEntry: textOrNull, // reason and result are sealed in it; null = open
    hook: textOrNull, // null = nobody starts its agent
    wakeAt: integerOrNull, // store ms; null = its agent is not started by itself
    holder: textOrNull, // the node that drives its agent; null = none does
    holderFence: integerOrNull, // of that node
    holderAttempt: integerOrNull, // the attempt when it was started there
    starts: integerOrNull, // null = 0
    losses: integerOrNull, // null = 0
    lossesSince: integerOrNull, // store ms; null = it has lost no agent
    lossEntry: textOrNull, // why the newest start came to nothing is sealed in it; null = none did, or nobody knows
    deadReason: textOrNull, // null = it is not dead
    parent: textOrNull, // the run that started it; null = no run did
    parentStep: textOrNull, // of the parent; null = it has none
    depth: integerOrNull, // parents above it; null = 0
    atParentEnd: textOrNull, // what becomes of it when its parent ends; null = it has none
    children: integerOrNull, // runs that it has started; null = 0
    tokensUsed: integerOrNull, // by its model steps; null = 0
    tokensMax: integerOrNull, // null = it may use any number
  },
  columnsSince: {
    aliveUntil: 2,
    deadline: 2,
    waitsFor: 2,
    endedAt: 2,
    endEntry: 2,
    hook: 2,
    wakeAt: 2,
    holder: 2,
    holderFence: 2,
    holderAttempt: 2,
    starts: 2,
    losses: 2,
    lossesSince: 2,
    lossEntry: 2,
    deadReason: 2,
    parent: 2,
    parentStep: 2,
    depth: 2,
    atParentEnd: 2,
    children: 2,
    tokensUsed: 2,
    tokensMax: 2,
  },
});

/** A row each time the store was found not to hold what it once acknowledged. */
export const recoveryTable = keyedTable({
  name: "recovery",
  since: 2,
  key: ["id"],
  indexes: { begun: ["isBegun", "at"] },
  columns: { id: text, at: integer, reason: text, detail: text, isBegun: integer },
});

/** One row per tenant whose open work waits to be released. */
export const reviewTable = keyedTable({
  name: "review",
  since: 2,
  key: ["tenant"],
  columns: {
    tenant: text,
    since: integer, // wall ms
    reason: text,
    detail: text,
    floor: integer, // fences below it are of before
  },
});

export type EntryRow = RowOf<typeof entryTable.columns>;
export type SequenceRow = RowOf<typeof sequenceTable.columns>;
export type HeadRow = RowOf<typeof headTable.columns>;

export const ledgerTables = [
  entryTable,
  sequenceTable,
  tileTable,
  headTable,
  cosignatureTable,
  openCallTable,
  claimTable,
  runTable,
  recoveryTable,
  reviewTable,
] as const;
