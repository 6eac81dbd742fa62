import type { MemoryAnswer, SavedMemoryAnswer, SnapshotAnswer } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";

/**
 * What a run remembers besides its steps: named slots, each with its newest snapshots. `get` gives what is there now, not what was there
 * when a step was first done; inside a `step.value` it is on record like anything else.
 */
export class Memory {
  private readonly attempt: Attempt;

  /** @internal */
  constructor(attempt: Attempt) {
    this.attempt = attempt;
  }

  /** Keeps any JSON as the slot's newest snapshot; its digest finds it again as long as it is one of the newest few. */
  put(slot: string, content: unknown): Promise<SavedMemoryAnswer> {
    const body = { attempt: this.attempt.number, content: content ?? null };
    return this.attempt.ask("PUT", pathOf(slot), body, null);
  }

  /** The newest snapshot, or the one of this digest; null = there is none. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever put it there says what it is
  async get<T = unknown>(
    slot: string,
    digest?: string,
  ): Promise<(SnapshotAnswer & { readonly content: T }) | null> {
    const path = digest === undefined ? pathOf(slot) : `${pathOf(slot)}?digest=${digest}`;
    const { memory } = await this.attempt.ask<MemoryAnswer>("GET", path, undefined, null);
    return memory as (SnapshotAnswer & { readonly content: T }) | null; // what this agent put there
  }
}

const pathOf = (slot: string): string => `/memory/${encodeURIComponent(slot)}`;
