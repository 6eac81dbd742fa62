import { Rounds } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunId, RunRecord } from "../ledger/index.ts";
import { unfinishedChildrenOf, runById } from "../ledger/index.ts";
import { remove } from "../store/index.ts";
import { endingWrites } from "./end.ts";
import type { Records } from "./house.ts";
import { childrenPerLook } from "./limits.ts";
import { endedParentTable } from "./tables.ts";

/** Nobody waits for it: a second later is early enough. */
const everyMs = 1_000;
/** What is left over is taken at the next look. */
const parentsPerLook = 16;

export interface OrphansOptions extends Records {
  /** In whose name a tenant's runs are ended; null = the tenant is gone. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Cancels what a run has started and left open at its end, and so on downwards. That there is something to do came on record in the
 * transaction of the parent's end, and stays until nothing is left: a node that dies in between leaves the rest to the next one.
 */
export class Orphans {
  private readonly options: OrphansOptions;
  private readonly rounds: Rounds;

  constructor(options: OrphansOptions) {
    this.options = options;
    this.rounds = new Rounds({ clock: options.clock, everyMs, round: () => this.look() });
  }

  start(): void {
    this.rounds.start();
  }

  /** Safe to call twice. */
  stop(): Promise<void> {
    return this.rounds.stop();
  }

  private async look(): Promise<void> {
    const { store, onTrouble } = this.options;
    try {
      const ended = await store.list(endedParentTable, { index: "key", limit: parentsPerLook });
      for (const { run, tenant } of ended) {
        if (this.rounds.isStopped) return;
        await this.lookAfter(run as RunId, tenant as TenantId); // as `endingWrites` wrote them
      }
    } catch (thrown) {
      onTrouble("ending what runs that have ended had started", thrown);
    }
  }

  private async lookAfter(id: RunId, tenant: TenantId): Promise<void> {
    const { store, nodeOf } = this.options;
    const parent = await runById(store, tenant, id);
    const node = nodeOf(tenant);
    const open =
      parent === null || node === null
        ? []
        : await unfinishedChildrenOf(store, id, "cancel", childrenPerLook);
    if (parent === null || node === null || open.length === 0) {
      await store.commit([remove(endedParentTable, { run: id }, { tenant })]);
      return;
    }
    await Promise.all(open.map((child) => this.end(child, parent, node)));
  }

  private async end(child: RunRecord, parent: RunRecord, node: Principal): Promise<void> {
    const { store, ledger } = this.options;
    const reason = `the run that started it, "${parent.name}", is ${parent.state}`;
    const { writes } = await endingWrites(node, child, { state: "cancelled", reason }, this.options);
    // When it was faster to end, or was changed at the same moment, this fails and the next look decides.
    if ((await store.commit(writes)).verdict === "done") ledger.noted(child.tenant);
  }
}
