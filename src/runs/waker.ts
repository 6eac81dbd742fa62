import type { DeadReason } from "../../contract/index.ts";
import type { CancelTimer, StoreMs } from "../base/index.ts";
import { elapsedMs, explain, plusMs } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { claimStart, loseAgent, noteLoss, runById, runsHeldBy, runsToWake } from "../ledger/index.ts";
import { dyingWrites } from "./dead.ts";
import type { Hook, StartOrder } from "./hook.ts";
import { isStartRefused } from "./hook.ts";
import type { House } from "./house.ts";
import { reasonCharactersMax, startFirstMs, startMsMax } from "./limits.ts";
import type { Retries } from "./retries.ts";
import { countLoss, defaultRetries, pauseAfterLoss } from "./retries.ts";
import type { PreparedEntry } from "./run-entry.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import type { Write } from "../store/index.ts";
import { Unclaimed } from "./unclaimed.ts";

/** An agent that died half a minute ago, or slept for an hour, does not feel a second. */
const everyMs = 1_000;
/** When a hook has no room for another run, its turn is looked for again so much later, and for each that was turned away before it */
const whenFullMs = 1_000;
/** later by this: ten thousand that wait for their turn cost 250 looks a second, not ten thousand. */
const turnMs = 4;
/** Looked after at once; what is left over at the next look, which then follows at once. */
const runsPerLook = 64;
/** Of a dead node; what one drove at once is a few of these. */
const heldPerPage = 500;

export interface WakerOptions extends Omit<House, "asksOf" | "onDue" | "hostedOf"> {
  /** This one, as its lease has it. */
  readonly node: { readonly name: string; readonly fence: number };
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
  private readonly unclaimed: Unclaimed;
  private isStopped = false;

  constructor(options: WakerOptions) {
    this.options = options;
    this.unclaimed = new Unclaimed(options);
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
      const due = await this.due(now);
      const room = new Map<Hook, number>();
      await Promise.all(due.map((run) => this.lookAfter(run, room, now)));
    } catch (thrown) {
      this.isHinted = false;
      onTrouble("starting agents again", thrown);
    }
  }

  /** What can be started here. The rest is left as it is, for whoever has its hook; where it fills a look, ours may stand behind it. */
  private async due(now: StoreMs): Promise<readonly RunRecord[]> {
    const { store, hooks } = this.options;
    const all = await runsToWake(store, now, runsPerLook);
    const ours = all.filter(({ hook }) => hook !== null && hooks.has(hook));
    this.unclaimed.note(
      all.filter((run) => !ours.includes(run)),
      now,
    );
    // All of these are looked after, so that the next look finds others.
    if (ours.length === runsPerLook) this.isHinted = true;
    if (all.length < runsPerLook || ours.length === runsPerLook) return ours;
    const perHook = Math.ceil(runsPerLook / Math.max(1, hooks.size));
    const byHook = [...hooks.keys()].map((hook) => runsToWake(store, now, perHook, hook));
    const found = await Promise.all(byHook);
    if (found.some(({ length }) => length === perHook)) this.isHinted = true;
    return found.flat();
  }

  /** `room`: what is left of it in this look, of hooks that were looked at. */
  private async lookAfter(run: RunRecord, room: Map<Hook, number>, now: StoreMs): Promise<void> {
    if (this.isStopped) return;
    const { store, hooks } = this.options;
    const hook = run.hook === null ? undefined : hooks.get(run.hook);
    const lives = run.aliveUntil !== null && elapsedMs(run.aliveUntil, now) > 0;
    if (lives) await store.commit([claimStart(run, run.aliveUntil, null)]);
    else if (hook === undefined) return; // see `due`
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

  /**
   * A node has died, and with it every process that it drove agents in; `fence`: what lower ones held, nobody works on any more. Their runs
   * go on elsewhere. Answers with how many they are. A second run finds nothing.
   */
  async nodeDied({ name, fence }: { readonly name: string; readonly fence: number }): Promise<number> {
    let given = 0;
    let after: RunRecord["run"] | undefined;
    for (;;) {
      const page = await runsHeldBy(this.options.store, name, {
        limit: heldPerPage,
        ...(after === undefined ? {} : { after }),
      });
      const lost = page.map(
        async (run) =>
          run.holder !== null &&
          run.holder.fence < fence &&
          run.attempt <= run.holder.attempt + 1 &&
          (await this.lose(run, `its node ${name} has died`, { isCounted: true, pauseMs: pauseAfterDeath })),
      );
      given += (await Promise.all(lost)).filter(Boolean).length;
      after = page.at(-1)?.run;
      if (page.length < heldPerPage) return given;
    }
  }

  private async lostOne(order: StartOrder, reason: string, isOurDoing: boolean): Promise<void> {
    const run = await runById(this.options.store, order.tenant, order.run);
    // One that was attached after the one that we started is somebody else's.
    if (run === null || run.attempt > order.attempt + 1) return;
    await this.lose(run, reason, { isCounted: !isOurDoing, pauseMs: pauseAfterLoss });
  }

  /** False when nothing was lost: the run has ended, or somebody else works on it. */
  private async lose(run: RunRecord, reason: string, how: HowLost): Promise<boolean> {
    const { store, hooks, nodeOf } = this.options;
    const node = nodeOf(run.tenant);
    if (node === null || run.state !== "open") return false;
    const hook = run.hook === null ? undefined : hooks.get(run.hook);
    if (hook !== undefined && run.starts >= hook.startsMax) return this.die(run, "starts-used-up", reason);
    const retries = hook?.retries ?? defaultRetries;
    const now = await store.now();
    const losses = how.isCounted ? countLoss(run, retries, now) : run;
    if (losses === null) return this.die(run, "retries-used-up", reason);
    const wakeAt = plusMs(now, how.pauseMs(run, retries));
    const entry = await this.entry(node, run, "runs/lost", { reason, start: run.starts });
    return this.commit(run, [loseAgent(run, wakeAt, { entry: entry.id, losses }), entry.write]);
  }

  private async wake(run: RunRecord, hook: Hook, now: StoreMs): Promise<void> {
    const node = this.options.nodeOf(run.tenant);
    if (node === null) return;
    // Its agent was alive, and fell silent: nobody has told us that it was lost.
    const losses = run.aliveUntil === null ? run : countLoss(run, hook.retries ?? defaultRetries, now);
    if (losses === null) return void (await this.die(run, "retries-used-up", null));
    const start = run.starts + 1;
    const nextAt = plusMs(now, nextStartMs(hook.attachWithinMs ?? startFirstMs, run.starts));
    const entry = await this.entry(node, run, "runs/started", { hook: run.hook, start });
    const { tenant, owner, name, attempt } = run;
    const { name: by, fence } = this.options.node;
    const holder = hook.endsWithNode === true ? { node: by, fence, attempt } : null;
    const claim = claimStart(run, nextAt, { starts: start, losses, holder });
    const isOurs = await this.commit(run, [claim, entry.write]);
    if (!isOurs) return; // somebody was faster, or it lives
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
      if (isStartRefused(thrown)) return void (await this.die(run, "start-refused", reason));
      if (isLast) return void (await this.die(run, "starts-used-up", reason));
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
  private async die(run: RunRecord, reason: DeadReason, last: string | null): Promise<boolean> {
    const node = this.options.nodeOf(run.tenant);
    if (node === null) return false;
    return this.commit(run, await dyingWrites(node, run, { reason, last }, this.options));
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
}

interface HowLost {
  /** As a retry of its own. */
  readonly isCounted: boolean;
  readonly pauseMs: (run: RunRecord, retries: Retries) => number;
}

/**
 * Nobody can say whether the run had a part in its node's death. So that a node which dies again and again does not use up the starts of
 * those that had none, from the second in a row on as much time passes as for one that nobody has heard of.
 */
const pauseAfterDeath = (run: RunRecord, retries: Retries): number =>
  run.starts <= 1 ? retries.pauseMs : nextStartMs(startFirstMs, run.starts - 2);

/** Until a start that leads to nothing is followed by the next one. */
const nextStartMs = (firstMs: number, startsBefore: number): number =>
  Math.min(firstMs * 2 ** startsBefore, Math.max(startMsMax, firstMs));
