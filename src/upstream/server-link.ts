import type { Deadline, Random } from "../base/index.ts";
import { deadlineIn, Fault, remainingMs } from "../base/index.ts";
import type { Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import { modernDescription } from "./handshake.ts";
import type { Announced } from "./lists/announced.ts";
import { announcedIn } from "./lists/announced.ts";
import type { Listed } from "./lists/read-catalogue.ts";
import { readCatalogue } from "./lists/read-catalogue.ts";
import { ownRequest } from "./own-request.ts";
import { LegacySubscriber } from "./watch/legacy-subscriber.ts";
import { ListenSubscriber } from "./watch/listen-subscriber.ts";
import type { Subscriber } from "./watch/subscriber.ts";
import type { Described, Wire, WireContext } from "./wire.ts";

export interface LinkContext extends WireContext {
  readonly random: Random;
}

export interface ListOptions {
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
  /** Whether "method not found" means that it has no tools; else that is a Fault. */
  readonly mayLackTools: boolean;
  /** What was listed for this profile before; null = nothing. */
  readonly before: Listed | null;
  readonly onCount: (what: UpstreamCount) => void;
}

export interface LinkListener {
  onNotification(method: string, params: Readonly<Record<string, unknown>>): void;
  /** Notifications may have been lost. */
  onMissed(): void;
}

/** One connection to a server with what hangs on it: what the server said of itself, and what we subscribed to. */
export class ServerLink {
  readonly wire: Wire;
  /** What a legacy server was told at the start; a modern connection serves every profile. */
  readonly profile: Profile;
  private readonly context: LinkContext;
  private readonly record: ServerRecord;
  private described: Described | null;
  private wasAsked = false;
  private made: Subscriber | null = null; // null = nothing was subscribed to yet

  constructor(wire: Wire, profile: Profile, context: LinkContext, record: ServerRecord) {
    this.wire = wire;
    this.profile = profile;
    this.context = context;
    this.record = record;
    this.described = wire.described;
  }

  get announced(): Announced {
    return announcedIn(this.described?.capabilities ?? null);
  }

  /** What a probe may ask. Any answer shows that the server lives, also one that says it does not know the method. */
  get probeMethod(): string {
    return this.wire.era === "modern" ? "server/discover" : "ping";
  }

  /** Opens the stream of changes, where the server has one. Once the connection is taken into service. */
  start(listener: LinkListener): void {
    const { wire, context, record } = this;
    this.made =
      wire.era === "legacy"
        ? new LegacySubscriber(wire, record, context.clock)
        : new ListenSubscriber({
            wire,
            serverName: record.name,
            clock: context.clock,
            random: context.random,
            limits: context.limits,
            announced: this.announced,
            onNotification: (method, params) => listener.onNotification(method, params),
            onMissed: () => listener.onMissed(),
          });
    this.made.start();
  }

  async list(profile: Profile, options: ListOptions): Promise<Listed> {
    const { wire, context, record } = this;
    await this.describe(options.deadline, options.signal);
    // A list of nothing proves nothing: that it lives is found out by asking.
    if (!this.announced.tools) {
      const { deadline, signal } = options;
      await wire.exchange(ownRequest(record, this.probeMethod, null, deadline, signal));
    }
    const asking = { wire, described: this.described, context, record, profile, ...options };
    return readCatalogue(asking, options.before);
  }

  hold(uri: string, deadline: Deadline, signal: AbortSignal): Promise<void> {
    const { name } = this.record;
    if (!this.announced.subscribe || this.made === null) {
      const reason = `${name} does not offer subscriptions to resources`;
      return Promise.reject(new Fault("upstream-rejected", reason));
    }
    return this.made.hold(uri, deadline, signal);
  }

  holds(uri: string): boolean {
    return this.made?.holds(uri) ?? false;
  }

  get heldCount(): number {
    return this.made?.count ?? 0;
  }

  release(uri: string): void {
    this.made?.release(uri);
  }

  /** The server has forgotten our subscriptions. */
  forgetSubscriptions(): void {
    this.made?.forgetAll();
  }

  /** Ends streams and timers, so that only calls are left. */
  stopWatching(): void {
    this.made?.stop();
  }

  close(): Promise<void> {
    this.stopWatching();
    return this.wire.close();
  }

  /**
   * A modern server that was taken at its word is asked once. One that has no fitting answer is asked for everything; whether it is
   * of that era after all shows there.
   */
  private async describe(deadline: Deadline, signal: AbortSignal): Promise<void> {
    if (this.described !== null || this.wasAsked || this.wire.era === "legacy") return;
    const { clock, limits } = this.context;
    const patienceMs = Math.min(limits.discoverTimeoutMs, remainingMs(clock, deadline) / 2);
    const asked = ownRequest(this.record, "server/discover", null, deadlineIn(clock, patienceMs), signal);
    try {
      this.described = modernDescription(await this.wire.exchange(asked));
    } catch (error) {
      const isAnswered =
        error instanceof Fault && error.code !== "tool-unavailable" && error.code !== "cancelled";
      if (!isAnswered) throw error;
    }
    this.wasAsked = true;
  }
}
