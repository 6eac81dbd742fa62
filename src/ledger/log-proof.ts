import { Fault } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { leafHashOf } from "./leaf.ts";
import { Frontier } from "./merkle.ts";
import { verifierKey } from "./note.ts";
import { headTable } from "./tables.ts";

/** Proves, leaf by leaf in the order of a tenant's log, that its first entries are those a signed checkpoint covers. */
export class LogProof {
  private readonly checkpoint: Checkpoint;
  private readonly tree = new Frontier();

  constructor(checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
  }

  get size(): number {
    return this.checkpoint.size;
  }

  /** Whether the checkpoint covers this one; those after it are not looked at. */
  add(leaf: string): boolean {
    if (this.tree.size === this.checkpoint.size) return false;
    this.tree.append(leafHashOf(leaf));
    return true;
  }

  /** null = all that it covers was added, and it holds. */
  problem(): string | null {
    const { size, root } = this.checkpoint;
    if (this.tree.size < size) return `its checkpoint covers ${size} entries; here are ${this.tree.size}`;
    return this.tree.root().equals(root) ? null : `its ${size} entries are not those its checkpoint covers`;
  }
}

/** One for each checkpoint, by tenant. Throws `backup-broken` when one is not signed by this key. */
export function logProofs(
  checkpoints: Readonly<Record<string, string>>,
  publicKey: Uint8Array,
): ReadonlyMap<string, LogProof> {
  const proofs = new Map<string, LogProof>();
  for (const [tenant, note] of Object.entries(checkpoints)) {
    const origin = parseCheckpoint(note)?.origin;
    const opened =
      origin?.endsWith(`/${tenant}`) === true && publicKey.byteLength === 32
        ? openCheckpoint(note, verifierKey(origin, publicKey))
        : null;
    if (opened?.ok !== true)
      throw new Fault(
        "backup-broken",
        `the checkpoint of tenant ${tenant} is not signed by the installation's key`,
      );
    proofs.set(tenant, new LogProof(opened.value));
  }
  return proofs;
}

const headsPerPage = 1_000;

/** The newest signed checkpoint of every tenant that has one. */
export async function newestCheckpoints(read: Pick<Store, "list">): Promise<ReadonlyMap<TenantId, string>> {
  const found = new Map<TenantId, string>();
  for (let after: string | undefined; ;) {
    const page = await read.list(headTable, {
      index: "key",
      ...(after === undefined ? {} : { after }),
      limit: headsPerPage,
    });
    // Written by a sequencer under a tenant's id.
    for (const { tenant, checkpoint } of page) found.set(tenant as TenantId, checkpoint);
    after = page.at(-1)?.tenant;
    if (after === undefined) return found;
  }
}
