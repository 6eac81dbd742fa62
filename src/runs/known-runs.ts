import { RecentMap } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { ownerOf } from "../ledger/index.ts";
import type { Speaker } from "./open-run.ts";

/** As many as there are keys of scopes at hand, without which knowing the run saves little; some 600 bytes each. */
const knownMax = 12_000;

/**
 * Runs as they were when this node last put something on record in them. What is known may be out of date (another node, or a person, can
 * have changed it), so it serves only for a write that proves it, and when that fails the store is asked.
 */
export class KnownRuns {
  private readonly runs = new RecentMap<string, RunRecord>(knownMax);

  /** The open run, if this attempt is the newest that is known. null = the store has to be asked. */
  find(owner: Principal, { name, attempt }: Speaker): RunRecord | null {
    const known = this.runs.get(nameOf(owner, name));
    return known?.attempt === attempt ? known : null;
  }

  /** As it is after a write that proved it. */
  remember(owner: Principal, run: RunRecord): void {
    const name = nameOf(owner, run.name);
    if (this.runs.get(name) !== run) this.runs.set(name, run);
  }

  forget(owner: Principal, name: string): void {
    this.runs.delete(nameOf(owner, name));
  }
}

/** No space can stand in a tenant's id or a run's name. */
const nameOf = (owner: Principal, name: string): string =>
  owner.chain.length === 0
    ? `${name} ${owner.tenant} ${owner.id}`
    : `${name} ${owner.tenant} ${ownerOf(owner)}`;
