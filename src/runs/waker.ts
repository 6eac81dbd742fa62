import type { DeadReason } from "../../contract/index.ts";
import type { CancelTimer, StoreMs } from "../base/index.ts";
import { elapsedMs, explain, plusMs } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { claimStart, loseAgent, noteLoss, runById, runsToWake } from "../ledger/index.ts";
import { dyingWrites } from "./dead.ts";
import type { Hook, StartOrder } from "./hook.ts";
import { isStartRefused } from "./hook.ts";
import type { House } from "./house.ts";
import { reasonCharactersMax, startFirstMs, startMsMax } from "./limits.ts";
import { countLoss, defaultRetries, pauseAfterLoss } from "./retries.ts";
import type { PreparedEntry } from "./run-entry.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import type { Write } from "../store/index.ts";

/** An agent that died half a minute ago, or slept for an hour, does not feel a second. */
const everyMs = 1_000;
/** When a hook has no room for another run, its turn is looked for again so much later, and for each that was turned away before it */
const whenFullMs = 1_000;
/** later by this: ten thousand that wait for their turn cost 250 looks a second, not ten thousand. */
const turnMs = 4;
/** Looked after at once; what is left over at the next look, which then follows at once. */
const runsPerLook = 64;

export interface WakerOptions extends Omit<House, "asksOf" | "onDue" | "hostedOf"> {
  /** In whose name a tenant's agents are started; null = the tenant is gone. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Starts agents again that have died, or rest and are due. The right to a start is one guarded write of the run's row, with the entry of
 * the start: of many nodes and many looks one starts, and not again before the program had time to attach. Each start that leads to
 * nothing doubles that time; after too many of them, in a row or in a stretch of time, the run is dead.
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
    else if (run.starts >= hook.startsMax) await this.die(run, "starts-used-up", null);
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
   * agent is started again after a pause that doubles, or not any more. `isOurDoing`: its node stopped, which is no retry of its own.
   */
  async lost(orders: readonly StartOrder[], reason: string, isOurDoing = false): Promise<void> {
    try {
      await Promise.all(orders.map((order) => this.lostOne(order, reason, isOurDoing)));
    } catch (thrown) {
      // Then they count as dead when they have said nothing for long enough.
      this.options.onTrouble("recording that agents were lost", thrown);
    }
  }

  private async lostOne(order: StartOrder, reason: string, isOurDoing: boolean): Promise<void> {
    const { store, hooks, nodeOf } = this.options;
    const run = await runById(store, order.tenant, order.run);
    const node = nodeOf(order.tenant);
    // One that was attached after the one that we started is somebody else's.
    if (run === null || node === null || run.state !== "open" || run.attempt > order.attempt + 1) return;
    const hook = run.hook === null ? undefined : hooks.get(run.hook);
    if (hook !== undefined && run.starts >= hook.startsMax) return this.die(run, "starts-used-up", reason);
    const retries = hook?.retries ?? defaultRetries;
    const now = await store.now();
    const losses = isOurDoing ? run : countLoss(run, retries, now);
    if (losses === null) return this.die(run, "retries-used-up", reason);
    const wakeAt = plusMs(now, pauseAfterLoss(run, retries));
    const entry = await this.entry(node, run, "runs/lost", { reason, start: run.starts });
    await this.commit(run, [loseAgent(run, wakeAt, { entry: entry.id, losses }), entry.write]);
  }

  private async wake(run: RunRecord, hook: Hook, now: StoreMs): Promise<void> {
    const node = this.options.nodeOf(run.tenant);
    if (node === null) return;
    // Its agent was alive, and fell silent: nobody has told us that it was lost.
    const losses = run.aliveUntil === null ? run : countLoss(run, hook.retries ?? defaultRetries, now);
    if (losses === null) return this.die(run, "retries-used-up", null);
    const start = run.starts + 1;
    const nextAt = plusMs(now, nextStartMs(hook.attachWithinMs ?? startFirstMs, run.starts));
    const entry = await this.entry(node, run, "runs/started", { hook: run.hook, start });
    const isOurs = await this.commit(run, [claimStart(run, nextAt, start, losses), entry.write]);
    if (!isOurs) return; // somebody was faster, or it lives
    const { tenant, owner, name, attempt } = run;
    const claimed = { ...run, starts: start, wakeAt: nextAt };
    const isLast = start >= hook.startsMax;
    // Not waited for: a slow one delays no other. It counts as a start also when it fails: the next one comes in its time.
    hook
      .start({ id: entry.id, tenant, owner, run: run.run, name, attempt, start })
      .catch((thrown: unknown) => this.notStarted(node, claimed, thrown, isLast));
  }

  /** Nothing was started, which is on record with what was said; where trying again cannot help, or it was the last try, the run is dead. */
  private async notStarted(node: Principal, run: RunRecord, thrown: unknown, isLast: boolean): Promise<void> {
    const { onTrouble } = this.options;
    const reason = explain(thrown);
    onTrouble(`starting the agent of run "${run.name}" by the hook "${run.hook}": ${reason}`, thrown);
    try {
      if (isStartRefused(thrown)) return await this.die(run, "start-refused", reason);
      if (isLast) return await this.die(run, "starts-used-up", reason);
      const entry = await this.entry(node, run, "runs/not-started", { reason, start: run.starts });
      // It need not be waited for as long as what was started would be.
      const soonAt = plusMs(await this.options.store.now(), nextStartMs(startFirstMs, run.starts - 1));
      const againAt = run.wakeAt === null || elapsedMs(run.wakeAt, soonAt) > 0 ? soonAt : run.wakeAt;
      await this.commit(run, [noteLoss(run, entry.id, againAt), entry.write]);
    } catch (failure) {
      onTrouble("recording that an agent was not started", failure);
    }
  }

  /** `last` null = as its record has it. When the run was attached, ended or woken meanwhile, it lives. */
  private async die(run: RunRecord, reason: DeadReason, last: string | null): Promise<void> {
    const node = this.options.nodeOf(run.tenant);
    if (node === null) return;
    await this.commit(run, await dyingWrites(node, run, { reason, last }, this.options));
  }

  private entry(
    node: Principal,
    run: RunRecord,
    method: `runs/${string}`,
    note: { readonly start: number; readonly reason?: string; readonly hook?: string | null },
  ): Promise<PreparedEntry> {
    const salt = this.options.random.bytes(saltBytes);
    const nothing = { step: null, stepDigest: null, input: null, output: null } as const;
    const { reason } = note;
    const told = reason === undefined ? note : { ...note, reason: reason.slice(0, reasonCharactersMax) };
    return prepareEntry(node, run, { kind: "run", method, salt, ...nothing, note: told }, this.options);
  }

  private async commit(run: RunRecord, writes: readonly Write[]): Promise<boolean> {
    const { store, ledger } = this.options;
    const { verdict } = await store.commit(writes);
    if (verdict === "done") ledger.noted(run.tenant);
    return verdict === "done";
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

/** Until a start that leads to nothing is followed by the next one. */
const nextStartMs = (firstMs: number, startsBefore: number): number =>
  Math.min(firstMs * 2 ** startsBefore, Math.max(startMsMax, firstMs));
