import type { CancelTimer, StoreMs } from "../base/index.ts";
import { elapsedMs, explain, plusMs } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { claimStart, loseAgent, runById, runsToWake } from "../ledger/index.ts";
import { endingWrites } from "./end.ts";
import type { Hook, StartOrder } from "./hook.ts";
import type { House } from "./house.ts";
import { reasonCharactersMax, retryFirstMs, startFirstMs, startMsMax } from "./limits.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";

/** An agent that died half a minute ago, or slept for an hour, does not feel a second. */
const everyMs = 1_000;
/** When a hook has no room for another run, its turn is looked for again so much later, and for each that was turned away before it */
const whenFullMs = 1_000;
/** later by this: ten thousand that wait for their turn cost 250 looks a second, not ten thousand. */
const turnMs = 4;
/** Looked after at once; what is left over at the next look, which then follows at once. */
const runsPerLook = 64;

export interface WakerOptions extends Omit<House, "asksOf" | "onDue"> {
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
  private looking: Promise<void> | null = null;
  private isHinted = false;
  /** Runs that found no room, in looks that followed one another. */
  private turnedAway = 0;
  private isStopped = false;

  constructor(options: WakerOptions) {
    this.options = options;
  }

  start(): void {
    this.later();
  }

  /** Something is due on this node: it need not wait for the next look. */
  hint(): void {
    if (this.cancel === null) return; // not started
    this.isHinted = true;
    this.looking ??= this.lookWhileHinted().finally(() => (this.looking = null));
  }

  /** Ends what the hooks have started. Safe to call twice. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancel?.();
    await this.looking;
    await Promise.allSettled([...this.options.hooks.values()].map((hook) => hook.stop()));
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(everyMs, () => {
      this.hint();
      this.later();
    });
  }

  private async lookWhileHinted(): Promise<void> {
    this.turnedAway = 0;
    while (this.isHinted && !this.isStopped) {
      this.isHinted = false;
      await this.look();
    }
  }

  private async look(): Promise<void> {
    const { store, onTrouble } = this.options;
    try {
      const now = await store.now();
      const due = await runsToWake(store, now, runsPerLook);
      // All of these are looked after, so that the next look finds others.
      if (due.length === runsPerLook) this.isHinted = true;
      const room = new Map<Hook, number>();
      await Promise.all(due.map((run) => this.lookAfter(run, room, now)));
    } catch (thrown) {
      this.isHinted = false;
      onTrouble("starting agents again", thrown);
    }
  }

  /** `room`: what is left of it in this look, of hooks that were looked at. */
  private async lookAfter(run: RunRecord, room: Map<Hook, number>, now: StoreMs): Promise<void> {
    if (this.isStopped) return;
    const { store, hooks } = this.options;
    const hook = run.hook === null ? undefined : hooks.get(run.hook);
    const lives = run.aliveUntil !== null && elapsedMs(run.aliveUntil, now) > 0;
    if (lives) await store.commit([claimStart(run, run.aliveUntil, null)]);
    else if (hook === undefined) await this.missing(run, now);
    else if (run.starts >= hook.startsMax) await this.giveUp(run, null);
    else {
      const left = room.get(hook) ?? hook.room;
      room.set(hook, left - 1);
      if (left > 0) await this.wake(run, hook, now);
      else {
        const turnAt = plusMs(now, whenFullMs + turnMs * this.turnedAway++);
        await store.commit([claimStart(run, turnAt, null)]);
      }
    }
  }

  /**
   * These starts are known to have come to nothing: the agent threw, or its process died. Each is on record with its reason, and its run's
   * agent is started again after a pause that doubles, or not any more.
   */
  async lost(orders: readonly StartOrder[], reason: string): Promise<void> {
    try {
      await Promise.all(orders.map((order) => this.lostOne(order, reason)));
    } catch (thrown) {
      // Then they count as dead when they have said nothing for long enough.
      this.options.onTrouble("recording that agents were lost", thrown);
    }
  }

  private async lostOne(order: StartOrder, reason: string): Promise<void> {
    const { store, ledger, hooks, random, nodeOf } = this.options;
    const run = await runById(store, order.tenant, order.run);
    const node = nodeOf(order.tenant);
    // One that was attached after the one that we started is somebody else's.
    if (run === null || node === null || run.state !== "open" || run.attempt > order.attempt + 1) return;
    const hook = run.hook === null ? undefined : hooks.get(run.hook);
    if (hook !== undefined && run.starts >= hook.startsMax) return this.giveUp(run, reason);
    const pauseMs = Math.min(retryFirstMs * 2 ** Math.max(0, run.starts - 1), startMsMax);
    const wakeAt = plusMs(await store.now(), pauseMs);
    const salt = random.bytes(saltBytes);
    const note = { reason: reason.slice(0, reasonCharactersMax), start: run.starts };
    const nothing = { step: null, stepDigest: null, input: null, output: null } as const;
    const draft = { kind: "run", method: "runs/lost", salt, ...nothing, note } as const;
    const entry = await prepareEntry(node, run, draft, this.options);
    const { verdict } = await store.commit([loseAgent(run, wakeAt), entry.write]);
    if (verdict === "done") ledger.noted(run.tenant);
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
    // Not waited for: a slow one delays no other. It counts as a start also when it fails: the next one comes in its time.
    hook.start({ id: entry.id, tenant, run: run.run, name, attempt, start }).catch((thrown: unknown) => {
      onTrouble(`starting the agent of run "${name}" by the hook "${run.hook}": ${explain(thrown)}`, thrown);
    });
  }

  /** `last` null = nobody knows what became of its last start. */
  private async giveUp(run: RunRecord, last: string | null): Promise<void> {
    const { store, ledger, nodeOf } = this.options;
    const node = nodeOf(run.tenant);
    if (node === null) return;
    const told = last === null ? "" : `: ${last.slice(0, reasonCharactersMax - 200)}`;
    const reason = `its agent was started ${run.starts} times in a row and did not get on${told}`;
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
