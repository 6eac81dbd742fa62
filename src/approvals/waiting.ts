import type { CancelTimer, Clock } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import type { ApprovalId } from "./request.ts";
import { approvalTable } from "./tables.ts";

/** A vote that was cast on another node is seen this much later. */
const lookEveryMs = 1_000;
/** Requests looked at in one round; the others wait for the next. */
const looksPerRound = 256;

/** Wakes callers that wait for people to decide. Costs nothing while nobody waits. */
export class Waiting {
  private readonly clock: Clock;
  private readonly store: Pick<Store, "get">;
  private readonly onTrouble: (doing: string, thrown: unknown) => void;
  private readonly waiting = new Map<ApprovalId, Set<() => void>>();
  private cancelLook: CancelTimer | null = null;
  private isStopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly store: Pick<Store, "get">;
    readonly onTrouble: (doing: string, thrown: unknown) => void;
  }) {
    this.clock = options.clock;
    this.store = options.store;
    this.onTrouble = options.onTrouble;
  }

  /** Resolves when the request is no longer pending, when `until` does, or when waiting is over for all. Never rejects. */
  async forDecision(id: ApprovalId, until: Promise<unknown>): Promise<void> {
    if (this.isStopped) return;
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => (wake = resolve));
    const others = this.waiting.get(id) ?? new Set();
    others.add(wake);
    this.waiting.set(id, others);
    this.lookLater();
    // A vote between the caller's reading and now would be missed.
    void this.look([id]);
    await Promise.race([woken, until]);
    others.delete(wake);
    if (others.size === 0 && this.waiting.get(id) === others) this.waiting.delete(id);
  }

  decided(id: ApprovalId): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    for (const wake of waiting) wake();
  }

  get isClosed(): boolean {
    return this.isStopped;
  }

  /** Nobody is kept waiting any more. */
  stop(): void {
    this.isStopped = true;
    this.cancelLook?.();
    for (const id of this.waiting.keys()) this.decided(id);
  }

  private lookLater(): void {
    this.cancelLook ??= this.clock.after(lookEveryMs, () => {
      const ids = [...this.waiting.keys()].slice(0, looksPerRound);
      // In turn: those that were looked at go to the end.
      for (const id of ids) {
        const waiting = this.waiting.get(id);
        this.waiting.delete(id);
        if (waiting !== undefined) this.waiting.set(id, waiting);
      }
      void this.look(ids).finally(() => {
        this.cancelLook = null;
        if (this.waiting.size > 0) this.lookLater();
      });
    });
  }

  private async look(ids: readonly ApprovalId[]): Promise<void> {
    try {
      for (const id of ids) {
        const row = await this.store.get(approvalTable, { id });
        if (row?.state !== "pending") this.decided(id);
      }
    } catch (thrown) {
      this.onTrouble("looking whether people have decided", thrown);
    }
  }
}
