import type { CancelTimer, Clock, MonotonicMs } from "../base/index.ts";
import { elapsedMs, explain, msOf, plusMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Duty, Store } from "../store/index.ts";
import { insert } from "../store/index.ts";
import { consistencyProof } from "./consistency.ts";
import { newestWord } from "./witnessed.ts";
import type { HeadRow } from "./tables.ts";
import { cosignatureTable, headTable } from "./tables.ts";
import type { Asked, Witness, WitnessState } from "./witness.ts";
import { askWitness } from "./witness.ts";

/** A busy log has four checkpoints a second; a witness of many logs is asked about each at most so often. */
const roundEveryMs = 5_000;
/** One that failed is left alone for longer each time, up to the second number. */
const pauseMs = 5_000;
const pauseMsMax = 60_000;
/** Heads read at once, and how many of them are asked about at the same time. */
const headsPerPage = 256;
const questionsAtOnce = 16;
export const witnessLeaseMs = 15_000;

export interface WitnessStanding {
  readonly witness: string;
  readonly tenant: TenantId;
  readonly state: WitnessState;
  /** Why it is not `current`. */
  readonly detail: string | null;
  /** How long it has not covered the newest entries; 0 = it does. */
  readonly behindMs: number;
}

/** Told once when it becomes so, and once when it is over (`current`). */
export interface WitnessAlert {
  readonly kind: "witness";
  readonly witness: string;
  readonly tenant: TenantId;
  readonly state: WitnessState;
  readonly detail: string | null;
}

export interface WitnessingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly witnesses: readonly Witness[];
  readonly duty: Pick<Duty, "isOurs" | "giveUp">;
  readonly onAlert: (alert: WitnessAlert) => void;
}

interface Watched {
  /** The newest size that it has co-signed, as far as we know. */
  covered: number;
  state: WitnessState;
  detail: string | null;
  behindSince: MonotonicMs | null;
  failures: number;
  notBefore: MonotonicMs;
}

/**
 * Has every tenant's newest checkpoint co-signed by the witnesses that the configuration names, one node for all. Nothing waits for it: a
 * witness that is down, or contradicts the log, is an alert, and calls go on.
 */
export class Witnessing {
  private readonly options: WitnessingOptions;
  private readonly watched = new Map<string, Watched>();
  private timer: CancelTimer | null = null;
  private running: Promise<void> | null = null;
  private isStopped = true;
  private readonly withdrawn = new AbortController();

  constructor(options: WitnessingOptions) {
    this.options = options;
  }

  start(): void {
    if (this.options.witnesses.length === 0) return;
    this.isStopped = false;
    this.schedule(0);
  }

  /** Never rejects. What is not co-signed yet is by the next node. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.timer?.();
    this.withdrawn.abort(); // nobody who stops waits for a witness
    await this.running;
    await this.options.duty.giveUp().catch(() => undefined); // its lease runs out by itself
  }

  /** Of this node, if it has the duty; another's otherwise. */
  standings(): readonly WitnessStanding[] {
    const now = this.options.clock.monotonic();
    return [...this.watched].map(([place, { state, detail, behindSince }]) => {
      const [witness = "", tenant = ""] = place.split(" ");
      const behindMs = behindSince === null ? 0 : elapsedMs(now, behindSince);
      return { witness, tenant: tenant as TenantId, state, detail, behindMs }; // as `watch` put them together
    });
  }

  private schedule(afterMs: number): void {
    if (this.isStopped) return;
    this.timer = this.options.clock.after(afterMs, () => {
      this.running = this.round()
        .catch(() => undefined) // the store was away: the next round finds it again
        .finally(() => {
          this.running = null;
          this.schedule(roundEveryMs);
        });
    });
  }

  private async round(): Promise<void> {
    if (!(await this.options.duty.isOurs())) return this.watched.clear();
    for (let after: string | undefined; !this.isStopped;) {
      const heads = await this.options.store.list(headTable, {
        index: "key",
        ...(after === undefined ? {} : { after }),
        limit: headsPerPage,
      });
      const questions = heads.flatMap((head) => this.options.witnesses.map((witness) => ({ head, witness })));
      for (let at = 0; at < questions.length && !this.isStopped; at += questionsAtOnce) {
        const some = questions.slice(at, at + questionsAtOnce);
        await Promise.all(some.map(({ head, witness }) => this.look(head, witness)));
      }
      after = heads.at(-1)?.tenant;
      if (after === undefined) return;
    }
  }

  private async look(head: HeadRow, witness: Witness): Promise<void> {
    const { clock } = this.options;
    const tenant = head.tenant as TenantId; // written by a sequencer under a tenant's id
    const watched = await this.watch(tenant, witness);
    if (watched.covered === head.size) return;
    watched.behindSince ??= clock.monotonic();
    if (elapsedMs(clock.monotonic(), watched.notBefore) < 0) return;
    this.note(tenant, witness, watched, await this.ask(head, tenant, witness, watched));
  }

  private async ask(head: HeadRow, tenant: TenantId, witness: Witness, watched: Watched): Promise<Asked> {
    const { store } = this.options;
    try {
      if (watched.covered > head.size) return await this.aheadOf(tenant, watched.covered);
      const question = {
        tenant,
        note: head.checkpoint,
        size: head.size,
        seen: watched.covered,
        prove: (from: number, to: number) => consistencyProof(store, tenant, from, to),
      };
      const asked = await askWitness(witness, question, this.withdrawn.signal);
      if (asked.state === "ahead") return await this.aheadOf(tenant, asked.size);
      if (asked.state !== "current") return asked;
      const { at, line } = asked.cosignature;
      const row = { tenant, size: head.size, witness: witness.key.name, at: msOf(at), line };
      await store.commit([insert(cosignatureTable, row)]); // guard failed: another node was faster
      watched.covered = head.size;
      return asked;
    } catch (thrown) {
      return { state: "down", detail: `the log or its store: ${explain(thrown)}` };
    }
  }

  /** The witness has seen more than the head that was read: by now the log has it, or it has lost it. */
  private async aheadOf(tenant: TenantId, size: number): Promise<Asked> {
    const now = await this.options.store.get(headTable, { tenant });
    const present = now?.size ?? 0;
    if (present >= size) return { state: "ahead", size };
    const detail = `it has co-signed ${size} entries; the log has ${present}`;
    return { state: "contradicts", detail };
  }

  private note(tenant: TenantId, witness: Witness, watched: Watched, asked: Asked): void {
    // Ahead: the next round asks with the newer head.
    if (asked.state === "ahead" || this.isStopped) return;
    const { clock, onAlert } = this.options;
    const before = watched.state;
    watched.state = asked.state;
    watched.detail = asked.state === "current" ? null : asked.detail;
    if (asked.state === "current") {
      watched.behindSince = null;
      watched.failures = 0;
    } else {
      const pause = Math.min(pauseMsMax, pauseMs * 2 ** Math.min(10, watched.failures));
      watched.failures++;
      watched.notBefore = plusMs(clock.monotonic(), pause);
    }
    if (before === watched.state) return;
    const { state, detail } = watched;
    onAlert({ kind: "witness", witness: witness.name, tenant, state, detail });
  }

  private async watch(tenant: TenantId, witness: Witness): Promise<Watched> {
    const place = `${witness.name} ${tenant}`;
    const known = this.watched.get(place);
    if (known !== undefined) return known;
    const watched: Watched = {
      // A line that is not about the checkpoint that is there now counts for nothing: the witness is asked, and says so loudly.
      covered: (await newestWord(this.options.store, tenant, witness.key))?.size ?? 0,
      state: "current",
      detail: null,
      behindSince: null,
      failures: 0,
      notBefore: this.options.clock.monotonic(),
    };
    this.watched.set(place, watched);
    return watched;
  }
}
