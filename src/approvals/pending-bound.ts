import type { Clock, MonotonicMs } from "../base/index.ts";
import { RecentMap, elapsedMs } from "../base/index.ts";
import type { PrincipalId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { pendingOf } from "./request.ts";

/** People look at tens a day; an agent that asks for more than this at once is out of hand. */
export const pendingMax = 1_000;
/**
 * Counting reads up to `pendingMax` rows, so it is not done for each request: what is asked here is added to the last count, which is
 * too many rather than too few. Whoever seems to have reached the bound is counted again, once a second.
 */
const countedForMs = 10_000;
const fullForMs = 1_000;
/** Principals remembered at once; the oldest is counted again. */
const principalsMax = 10_000;

interface Count {
  readonly at: MonotonicMs;
  pending: number;
}

/** Keeps one principal from asking people too much. Another node's requests are seen seconds late, so that several nodes may exceed it. */
export class PendingBound {
  private readonly clock: Clock;
  private readonly store: Pick<Store, "get" | "list">;
  private readonly counts = new RecentMap<PrincipalId, Promise<Count>>(principalsMax);

  constructor(options: { readonly clock: Clock; readonly store: Pick<Store, "get" | "list"> }) {
    this.clock = options.clock;
    this.store = options.store;
  }

  /** True = this one more may be asked, and is counted. Rejects with the store's Fault. */
  async admits(principal: PrincipalId): Promise<boolean> {
    const known = await this.counts.get(principal);
    const count = known !== undefined && this.isFresh(known) ? known : await this.count(principal, known);
    if (count.pending >= pendingMax) return false;
    count.pending++;
    return true;
  }

  private isFresh({ at, pending }: Count): boolean {
    const ageMs = elapsedMs(this.clock.monotonic(), at);
    return ageMs < (pending >= pendingMax ? fullForMs : countedForMs);
  }

  /** Whoever arrives while another counts waits for the same count. */
  private async count(principal: PrincipalId, outdated: Count | undefined): Promise<Count> {
    const meanwhile = this.counts.get(principal);
    if (meanwhile !== undefined && (await meanwhile) !== outdated) return meanwhile;
    const at = this.clock.monotonic();
    const counting = pendingOf(this.store, principal, pendingMax).then((pending) => ({ at, pending }));
    this.counts.set(principal, counting);
    try {
      return await counting;
    } catch (thrown) {
      if (this.counts.get(principal) === counting) this.counts.delete(principal);
      throw thrown;
    }
  }
}
