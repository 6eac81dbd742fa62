import type { WallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { EntryId } from "./shapes.ts";

/**
 *  edited      an entry is not what was sequenced
 *  dropped     an entry that was sequenced is gone
 *  reordered   an entry stands elsewhere than where it was sequenced
 *  inserted    an entry stands among sequenced ones and never was one of them
 *  truncated   the log ends before what a checkpoint covers
 *  order       an entry follows one that is not before it
 *  signature   a checkpoint is not signed by the trusted key
 *  rewritten   the log and a remembered checkpoint are two histories
 *  records     what is kept beside the entries (batches, head) does not fit them
 *  tile        a stored hash is wrong: entries are proven, receipts are not
 *  payload     a sealed payload does not open, or is not what was committed to
 */
export type BrokenKind =
  | "edited"
  | "dropped"
  | "reordered"
  | "inserted"
  | "truncated"
  | "order"
  | "signature"
  | "rewritten"
  | "records"
  | "tile"
  | "payload";

/** The first thing that does not hold. Everything before `position` is proven. */
export interface Broken {
  readonly kind: BrokenKind;
  /** In the tree; null for the unsequenced tail and for records that belong to no position. */
  readonly position: number | null;
  /** null when no entry can be named. */
  readonly entry: EntryId | null;
  readonly detail: string;
}

export interface TenantReport {
  readonly tenant: TenantId;
  readonly origin: string;
  /** The key that was used, as text for `verifyReceipt`. */
  readonly verifierKey: string;
  /** Entries proven by signed checkpoints. */
  readonly proven: number;
  readonly checkpoints: number;
  /** The last good checkpoint; keep it outside, and give it to the next verification. Null when there is none. */
  readonly checkpoint: string | null;
  /** Sealed payloads beside proven entries. `unopened`: no keys were given. */
  readonly payloads: {
    readonly opened: number;
    readonly erased: number;
    readonly unopened: number;
  };
  /** Entries that wait for the sequencer: neither proven nor broken. */
  readonly tail: { readonly entries: number; readonly oldestAt: WallMs | null };
  readonly broken: Broken | null;
}

export interface LedgerReport {
  readonly isIntact: boolean;
  /** Where the public key came from. `store`: only as good as the store; somebody who rewrote everything brought their own. */
  readonly trust: "given" | "store";
  readonly tenants: readonly TenantReport[];
}

/** Thrown inside a walk, to end it at the first broken thing. Never leaves this room. */
export class BrokenFound extends Error {
  readonly broken: Broken;

  constructor(broken: Broken) {
    super(broken.detail);
    this.broken = broken;
  }
}
