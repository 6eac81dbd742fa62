import type { Acts } from "../../admin/index.ts";
import type { CancelTimer, Clock } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Keys } from "../../keys/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";

/** After a pass that another node or an erasure got in the way of; nobody waits for it. */
const againMs = 30_000;

export interface KeyChangeOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly keys: Keys;
  readonly acts: Acts;
  readonly log: Log;
  readonly actor: Principal;
  /** The key that everything shall be under. */
  readonly kek: Uint8Array;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Puts what was wrapped by other key-encryption keys under the one in use, beside all other work. What another node wraps meanwhile
 * by an older key is found when that node itself starts with the new one.
 */
export class KeyChange {
  private readonly options: KeyChangeOptions;
  private cancel: CancelTimer | null = null;
  private isStopped = false;
  private pass: Promise<void> = Promise.resolve();

  constructor(options: KeyChangeOptions) {
    this.options = options;
  }

  start(): void {
    this.later(0);
  }

  /** What was committed stays; a later start goes on from there. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancel?.();
    await this.pass;
  }

  private later(ms: number): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(ms, () => {
      this.pass = this.rewrap();
    });
  }

  private async rewrap(): Promise<void> {
    const { store, keys, kek, acts, actor, log, onTrouble } = this.options;
    try {
      let moved = 0;
      let isWhole = true;
      for await (const change of keys.rewrap(kek)) {
        if (this.isStopped) return;
        const { verdict } = await store.commit(change.writes);
        if (verdict === "done") moved += change.value;
        else isWhole = false;
      }
      if (moved > 0) {
        const act = { actor, action: "admin.key.change", decision: null };
        const done = await acts.perform(act, null, { writes: [], value: null, applied: () => {} }, { moved });
        if (!done.ok) log.warn("the change of keys has no entry", { reason: done.refusal.detail });
      }
      if (!isWhole) return this.later(againMs);
      log.info("everything sealed is under the key of keys.file; keys.otherFiles may go", { moved });
    } catch (thrown) {
      onTrouble("putting what is sealed under the key of keys.file", thrown);
      this.later(againMs);
    }
  }
}
