import type { CancelTimer, StoreMs } from "../base/index.ts";
import { elapsedMs, explain, plusMs } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { claimStart, runsToWake } from "../ledger/index.ts";
import { endingWrites } from "./end.ts";
import type { Hook } from "./hook.ts";
import type { House } from "./house.ts";
import { startFirstMs, startMsMax } from "./limits.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";

/** An agent that died half a minute ago, or slept for an hour, does not feel a second. */
const everyMs = 1_000;
/** When a hook has no room for another program, the run's turn is looked for again so much later. */
const whenFullMs = 5_000;
/** Started at one look; what is left over is started at the next. */
const runsPerLook = 64;

export interface WakerOptions extends Omit<House, "asksOf"> {
  /** In whose name a tenant's agents are started; null = the tenant is gone. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Starts agents again that have died, or rest and are due. The right to a start is one guarded write of the run's row, with the entry of
 * the start: of many nodes and many looks one starts, and not again before the program had time to attach. Each start that leads to
 * nothing doubles that time; too many of them fail the run.
 */
export class Waker {
  private readonly options: WakerOptions;
  private cancel: CancelTimer | null = null;
  private isStopped = false;

  constructor(options: WakerOptions) {
    this.options = options;
  }

  start(): void {
    this.later();
  }

  /** Ends what the hooks have started. Safe to call twice. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancel?.();
    await Promise.allSettled([...this.options.hooks.values()].map((hook) => hook.stop()));
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(everyMs, () => {
      void this.look().finally(() => this.later());
    });
  }

  private async look(): Promise<void> {
    const { store, hooks, onTrouble } = this.options;
    try {
      const now = await store.now();
      for (const run of await runsToWake(store, now, runsPerLook)) {
        if (this.isStopped) return;
        const hook = run.hook === null ? undefined : hooks.get(run.hook);
        const lives = run.aliveUntil !== null && elapsedMs(run.aliveUntil, now) > 0;
        if (lives) await store.commit([claimStart(run, run.aliveUntil, null)]);
        else if (hook === undefined) await this.missing(run, now);
        else if (run.starts >= hook.startsMax) await this.giveUp(run);
        else if (hook.isFull) await store.commit([claimStart(run, plusMs(now, whenFullMs), null)]);
        else await this.wake(run, hook, now);
      }
    } catch (thrown) {
      onTrouble("starting agents again", thrown);
    }
  }

  private async wake(run: RunRecord, hook: Hook, now: StoreMs): Promise<void> {
    const { store, ledger, random, nodeOf, onTrouble } = this.options;
    const node = nodeOf(run.tenant);
    if (node === null) return;
    const start = run.starts + 1;
    const nextAt = plusMs(now, Math.min(startFirstMs * 2 ** run.starts, startMsMax));
    const draft = {
      kind: "run",
      method: "runs/started",
      step: null,
      stepDigest: null,
      salt: random.bytes(saltBytes),
      input: null,
      output: null,
      note: { hook: run.hook, start },
    } as const;
    const entry = await prepareEntry(node, run, draft, this.options);
    const { verdict } = await store.commit([claimStart(run, nextAt, start), entry.write]);
    if (verdict !== "done") return; // somebody was faster, or it lives
    ledger.noted(run.tenant);
    const { tenant, name, attempt } = run;
    try {
      await hook.start({ id: entry.id, tenant, run: run.run, name, attempt, start });
    } catch (thrown) {
      // It counts as a start: the next one comes in its time.
      onTrouble(`starting the agent of run "${name}" by the hook "${run.hook}": ${explain(thrown)}`, thrown);
    }
  }

  private async giveUp(run: RunRecord): Promise<void> {
    const { store, ledger, nodeOf } = this.options;
    const node = nodeOf(run.tenant);
    if (node === null) return;
    const reason = `its agent was started ${run.starts} times in a row and did not get on`;
    const { writes } = await endingWrites(node, run, { state: "failed", reason }, this.options);
    if ((await store.commit(writes)).verdict === "done") ledger.noted(run.tenant);
  }

  /** The configuration has lost the hook: an operator can bring it back, or cancel the run. */
  private async missing(run: RunRecord, now: StoreMs): Promise<void> {
    await this.options.store.commit([claimStart(run, plusMs(now, startMsMax), null)]);
    this.options.onTrouble(
      `starting the agent of run "${run.name}"`,
      new Error(`there is no hook "${run.hook}"`),
    );
  }
}
