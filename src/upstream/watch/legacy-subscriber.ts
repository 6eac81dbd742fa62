import type { Clock, Deadline } from "../../base/index.ts";
import { deadlineIn, Fault } from "../../base/index.ts";
import type { ServerRecord } from "../../registry/index.ts";
import { ownRequest } from "../own-request.ts";
import type { Wire } from "../wire.ts";
import { within } from "../within.ts";
import type { Subscriber } from "./subscriber.ts";

const requestTimeoutMs = 10_000;

/** `resources/subscribe` and `resources/unsubscribe`; for each URI one after the other, so that the last one said is what holds. */
export class LegacySubscriber implements Subscriber {
  private readonly wire: Wire;
  private readonly record: ServerRecord;
  private readonly clock: Clock;
  private readonly held = new Map<string, Promise<void>>();
  /** What was last said about a URI, until it is answered. */
  private readonly tails = new Map<string, Promise<unknown>>();
  private readonly stopping = new AbortController();

  constructor(wire: Wire, record: ServerRecord, clock: Clock) {
    this.wire = wire;
    this.record = record;
    this.clock = clock;
  }

  start(): void {
    // Nothing has to be open: the server's notifications come by themselves.
  }

  get count(): number {
    return this.held.size;
  }

  holds(uri: string): boolean {
    return this.held.has(uri);
  }

  hold(uri: string, deadline: Deadline, signal: AbortSignal): Promise<void> {
    let holding = this.held.get(uri);
    if (holding === undefined) {
      holding = this.next(uri, "resources/subscribe");
      this.held.set(uri, holding);
      const made = holding;
      made.catch(() => {
        if (this.held.get(uri) === made) this.held.delete(uri);
      });
    }
    return within(holding, { clock: this.clock, deadline, signal, name: this.record.name });
  }

  release(uri: string): void {
    if (!this.held.delete(uri)) return;
    // Best effort: what the server goes on telling has no listener.
    this.next(uri, "resources/unsubscribe").catch(() => undefined);
  }

  forgetAll(): void {
    this.held.clear();
  }

  stop(): void {
    this.stopping.abort();
    this.held.clear();
  }

  private next(uri: string, method: string): Promise<void> {
    const before = this.tails.get(uri) ?? Promise.resolve();
    const said = before.then(
      () => this.say(uri, method),
      () => this.say(uri, method),
    );
    this.tails.set(uri, said);
    const clear = (): void => {
      if (this.tails.get(uri) === said) this.tails.delete(uri);
    };
    said.then(clear, clear);
    return said;
  }

  private async say(uri: string, method: string): Promise<void> {
    const deadline = deadlineIn(this.clock, requestTimeoutMs);
    const params = JSON.stringify({ uri });
    const reply = await this.wire.exchange(
      ownRequest(this.record, method, params, deadline, this.stopping.signal),
    );
    switch (reply.kind) {
      case "result":
        return;
      case "rejected":
      case "error":
        throw new Fault("upstream-rejected", `${this.record.name} answered ${method} with an error`, {
          evidence: { rpc: reply.error.code },
        });
      case "input-required":
      case "task":
        throw new Fault("upstream-garbage", `${this.record.name} answered ${method} with something else`);
    }
  }
}
