import type { CancelTimer, Clock, Deadline, MonotonicMs, Random } from "../../base/index.ts";
import { elapsedMs, Fault } from "../../base/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import { backoffMs } from "../backoff.ts";
import type { UpstreamLimits } from "../limits.ts";
import type { Announced } from "../lists/announced.ts";
import { isObject } from "../message.ts";
import type { Wire, WireStream } from "../wire.ts";
import { within } from "../within.ts";
import type { Subscriber } from "./subscriber.ts";

export interface ListenContext {
  readonly wire: Wire;
  readonly serverName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: UpstreamLimits;
  readonly announced: Announced;
  readonly onNotification: (method: string, params: Readonly<Record<string, unknown>>) => void;
  /** The stream stands again after it did not: something may have been missed. */
  readonly onMissed: () => void;
}

/** A burst of watchers leads to one new stream. */
const reopenQuietMs = 50;
/** A stream that stood as long as this was not in vain: the next attempt starts from the shortest wait. */
const stoodMs = 10_000;

interface Opening {
  stream: WireStream | null;
  readonly uris: ReadonlySet<string>;
  honoured: ReadonlySet<string>;
  since: MonotonicMs;
  cancelPatience: CancelTimer;
}

interface Pending {
  readonly held: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
}

/**
 * One long stream of `subscriptions/listen` per server: changes of its lists, and updates of what is watched. When what is watched
 * changes, a new stream is opened, and the old one ends once the new one is acknowledged. A server that refuses it is not asked
 * again on this connection; one that refuses only with new resources in it keeps the stream without them.
 */
export class ListenSubscriber implements Subscriber {
  private readonly context: ListenContext;
  private readonly wanted = new Set<string>();
  private readonly pending = new Map<string, Pending>();
  private current: Opening | null = null; // null = none stands
  private opening: Opening | null = null;
  private cancelNext: CancelTimer | null = null;
  private attempts = 0;
  private wasLost = false;
  private refusal: Fault | null = null; // null = it was not refused

  constructor(context: ListenContext) {
    this.context = context;
  }

  start(): void {
    const { toolsChange, promptsChange, resourcesChange } = this.context.announced;
    if (toolsChange || promptsChange || resourcesChange) this.open();
  }

  get count(): number {
    return this.wanted.size;
  }

  holds(uri: string): boolean {
    return this.wanted.has(uri);
  }

  hold(uri: string, deadline: Deadline, signal: AbortSignal): Promise<void> {
    if (this.refusal !== null) return Promise.reject(this.refusal);
    this.wanted.add(uri);
    if (this.current?.honoured.has(uri) === true) return Promise.resolve();
    let pending = this.pending.get(uri);
    if (pending === undefined) {
      pending = makePending();
      this.pending.set(uri, pending);
      this.openIn(reopenQuietMs);
    }
    const { clock, serverName: name } = this.context;
    return within(pending.held, { clock, deadline, signal, name });
  }

  release(uri: string): void {
    if (!this.wanted.delete(uri)) return;
    this.settle(uri, gone(this.context.serverName));
    if (this.current !== null) this.openIn(reopenQuietMs);
  }

  forgetAll(): void {
    // The stream itself is the subscription: it stands or is opened again with all that is wanted.
  }

  stop(): void {
    this.cancelNext?.();
    this.cancelNext = null;
    for (const one of [this.opening, this.current]) {
      one?.cancelPatience();
      one?.stream?.close();
    }
    this.opening = null;
    this.current = null;
    this.wanted.clear();
    this.refusal ??= gone(this.context.serverName);
    for (const uri of this.pending.keys()) this.settle(uri, this.refusal);
  }

  /** What is planned already stays planned: a wait after a failure is not cut short. */
  private openIn(waitMs: number): void {
    if (this.cancelNext !== null || this.refusal !== null) return;
    this.cancelNext = this.context.clock.after(waitMs, () => {
      this.cancelNext = null;
      this.open();
    });
  }

  private open(): void {
    if (this.opening !== null || this.refusal !== null) return; // when it is acknowledged, it is compared with what is wanted
    const { wire, clock, limits, serverName } = this.context;
    const filter = this.filter();
    if (filter === null) {
      this.current?.stream?.close();
      this.current = null;
      return;
    }
    const opening: Opening = {
      stream: null,
      uris: new Set(this.wanted),
      honoured: new Set(),
      since: clock.monotonic(),
      cancelPatience: clock.after(limits.probeTimeoutMs, () => {
        opening.stream?.close();
        this.onEnded(opening, new Fault("deadline-exceeded", `${serverName} did not acknowledge a stream`));
      }),
    };
    this.opening = opening;
    const stream = wire.listen(JSON.stringify({ notifications: filter }), noCapabilities, {
      onNotification: (method, params) => this.onNotification(opening, method, params),
      onEnded: (fault) => this.onEnded(opening, fault),
    });
    opening.stream = stream;
    if (stream === null)
      this.onEnded(opening, new Fault("upstream-rejected", `${serverName} has no streams`));
    else if (this.opening !== opening && this.current !== opening) stream.close();
  }

  private filter(): Readonly<Record<string, unknown>> | null {
    const { toolsChange, promptsChange, resourcesChange } = this.context.announced;
    const filter = {
      ...(toolsChange ? { toolsListChanged: true } : {}),
      ...(promptsChange ? { promptsListChanged: true } : {}),
      ...(resourcesChange ? { resourcesListChanged: true } : {}),
      ...(this.wanted.size > 0 ? { resourceSubscriptions: [...this.wanted] } : {}),
    };
    return Object.keys(filter).length === 0 ? null : filter;
  }

  private onNotification(from: Opening, method: string, params: Readonly<Record<string, unknown>>): void {
    if (from === this.opening && method === "notifications/subscriptions/acknowledged") {
      this.onAcknowledged(from, params["notifications"]);
    } else if (from === this.current) {
      this.context.onNotification(method, params);
    }
  }

  private onAcknowledged(opening: Opening, honoured: unknown): void {
    const uris = isObject(honoured) ? honoured["resourceSubscriptions"] : undefined;
    const given = new Set<unknown>(Array.isArray(uris) ? uris : []);
    opening.cancelPatience();
    opening.honoured = new Set([...opening.uris].filter((uri) => given.has(uri)));
    opening.since = this.context.clock.monotonic();
    this.current?.stream?.close();
    this.current = opening;
    this.opening = null;
    for (const uri of opening.uris) {
      const isHonoured = opening.honoured.has(uri);
      if (!isHonoured) this.wanted.delete(uri);
      this.settle(uri, isHonoured ? null : notHonoured(this.context.serverName));
    }
    if (this.wasLost) {
      this.wasLost = false;
      this.context.onMissed();
    }
    if (!isSame(this.wanted, opening.uris)) this.openIn(reopenQuietMs);
  }

  private onEnded(ended: Opening, fault: Fault | null): void {
    ended.cancelPatience();
    if (ended === this.opening) {
      this.opening = null;
      if (fault?.code === "upstream-rejected" && fault.retry === "never") this.onRefused(ended, fault);
      else this.openAgain();
    } else if (ended === this.current) {
      const { clock } = this.context;
      if (elapsedMs(clock.monotonic(), ended.since) >= stoodMs) this.attempts = 0;
      this.current = null;
      this.wasLost = true;
      this.openAgain();
    }
  }

  private onRefused(refused: Opening, fault: Fault): void {
    const fresh = [...refused.uris].filter((uri) => this.current?.honoured.has(uri) !== true);
    if (fresh.length > 0) {
      for (const uri of fresh) {
        this.wanted.delete(uri);
        this.settle(uri, fault);
      }
      if (this.current === null || !isSame(this.wanted, this.current.uris)) this.openIn(reopenQuietMs);
    } else if (this.current === null) {
      this.refusal = fault;
      for (const uri of this.pending.keys()) this.settle(uri, fault);
      this.wanted.clear();
    }
  }

  private openAgain(): void {
    const { limits, random } = this.context;
    this.openIn(backoffMs(this.attempts++, limits.backoffFirstMs, limits.backoffMaxMs, random));
  }

  private settle(uri: string, fault: Fault | null): void {
    const pending = this.pending.get(uri);
    if (pending === undefined) return;
    this.pending.delete(uri);
    if (fault === null) pending.resolve();
    else pending.reject(fault);
  }
}

function makePending(): Pending {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever asked may have stopped waiting.
  promise.catch(() => undefined);
  return { held: promise, resolve, reject };
}

const gone = (name: string): Fault => new Fault("tool-unavailable", `${name}: the connection has ended`);

const notHonoured = (name: string): Fault =>
  new Fault("upstream-rejected", `${name} does not tell of updates of this resource`);

const isSame = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((item) => b.has(item));
