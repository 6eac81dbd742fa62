import { signalTable, wakeUpTable } from "./own-tables.ts";
import type { Transaction } from "./transaction.ts";

/** Who wants to hear that something was put under a topic. A hint only: polling is the truth. */
export class Hints {
  private readonly listeners = new Map<string, Set<() => void>>();

  listen(topic: string, listener: () => void): () => void {
    const mine = () => listener();
    let listeners = this.listeners.get(topic);
    if (listeners === undefined) this.listeners.set(topic, (listeners = new Set()));
    listeners.add(mine);
    return () => {
      const present = this.listeners.get(topic);
      present?.delete(mine);
      if (present?.size === 0) this.listeners.delete(topic);
    };
  }

  /** For a transaction that has become durable. A listener that throws hides the hint from nobody else. */
  announce(transaction: Transaction): void {
    if (this.listeners.size === 0) return;
    for (const write of transaction) {
      if (write.op !== "insert" || (write.table !== signalTable.name && write.table !== wakeUpTable.name)) {
        continue;
      }
      this.hear(write.row.topic as string);
    }
  }

  /** Something may have been put under the topic; null = under any. */
  hear(topic: string | null): void {
    const heard = topic === null ? [...this.listeners.values()] : [this.listeners.get(topic) ?? []];
    for (const listeners of heard) {
      for (const listener of listeners) void Promise.resolve().then(listener).catch(ignore);
    }
  }
}

/** What a listener does with a hint is its own affair. */
const ignore = () => {};
