import type { CancelTimer, Deadline, MonotonicMs } from "../base/index.ts";
import { deadlineIn, delay, elapsedMs, Fault } from "../base/index.ts";
import type { Era, Features, Health, Profile, ServerRecord } from "../registry/index.ts";
import { backoffMs } from "./backoff.ts";
import type { Connecting } from "./connect-server.ts";
import { connectProfile, connectServer } from "./connect-server.ts";
import type { UpstreamCount, UpstreamEvent } from "./events.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { HealthTold } from "./health-told.ts";
import { LineOffer } from "./line-offer.ts";
import type { OwnedLine } from "./line-owner.ts";
import { LineOwner } from "./line-owner.ts";
import type { OfferedTool } from "./list-tools.ts";
import { Probes } from "./probes.ts";
import type { LinkContext, ServerLink } from "./server-link.ts";
import { Trouble, troubleFrom } from "./trouble.ts";
import type { Watch, Watches } from "./watch/watches.ts";
import { within } from "./within.ts";

export interface LineContext extends LinkContext {
  /** Outlive the line. */
  readonly watches: Watches;
  readonly onFeatures: (profile: Profile, features: Features, definitions: readonly OfferedTool[]) => void;
  readonly onProfileGone: (profile: Profile) => void;
  readonly onHealth: (health: Health) => void;
  readonly onEra: (era: Era) => void;
  readonly onEvent: (event: UpstreamEvent) => void;
}

export interface LineSnapshot {
  readonly state: "idle" | "connecting" | "ready" | "backing-off" | "stopped";
  /** null = not connected. */
  readonly era: Era | null;
  readonly health: Health;
  readonly inFlight: number;
  /** Connections beside the first, for other client capabilities. */
  readonly profileLines: number;
  /** Sets of client capabilities whose catalogue is kept. */
  readonly profiles: number;
  /** Resources that are watched. */
  readonly watches: number;
  readonly counts: Readonly<Partial<Record<UpstreamCount, number>>>;
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly made: Promise<void> }
  | {
      readonly kind: "ready";
      readonly link: ServerLink;
      readonly probes: Probes;
      readonly since: MonotonicMs;
    }
  | { readonly kind: "backing-off"; readonly trouble: Trouble }
  | { readonly kind: "stopped" };

/** Beyond the server's own cap: the line's probe and listing, and calls that `admit` has just let go of. */
const inFlightSlack = 8;
const drainPollMs = 25;

/** One server: its connection, its health, and over it what it offers to whom. */
export class ServerLine implements OwnedLine {
  private record: ServerRecord;
  private readonly context: LineContext;
  private state: State = { kind: "idle" };
  private readonly health: HealthTold;
  private readonly offer: LineOffer;
  private readonly counts: Partial<Record<UpstreamCount, number>> = {};
  private readonly stopping = new AbortController();
  private cancelNext: CancelTimer = () => undefined;
  private isHurried = false;
  private attempts = 0;

  constructor(record: ServerRecord, context: LineContext) {
    this.record = record;
    this.context = context;
    this.health = new HealthTold(context.clock, context.onHealth);
    this.offer = new LineOffer({
      ...context,
      record: () => this.record,
      base: () => this.base(),
      notConnected: () => this.notConnected(),
      open: (profile, owner, deadline, signal) =>
        connectProfile(this.connecting(owner, deadline, signal), profile),
      onConnected: (link, tookMs) => this.tellConnected(link, tookMs),
      onChanged: () => {
        if (this.state.kind === "ready") this.state.probes.relistSoon("changed");
      },
      stderr: (line) => this.stderr(line),
      count: (what) => this.count(what),
      signal: this.stopping.signal,
    });
  }

  get name(): string {
    return this.record.name;
  }

  /** Tells the first health and connects after `delayMs`, or at the first call if that comes earlier. */
  start(delayMs: number): void {
    this.health.tell();
    this.cancelNext = this.context.clock.after(delayMs, () => void this.connectIfDown());
  }

  /** Whether this change of the record leaves the connection as it is. */
  accepts(record: ServerRecord): boolean {
    const base = this.base();
    const hasSameEra = record.era === null || base === null || record.era === base.wire.era;
    return (
      hasSameEra &&
      record.tenant === this.record.tenant &&
      record.resultBytesMax === this.record.resultBytesMax &&
      JSON.stringify(record.transport) === JSON.stringify(this.record.transport)
    );
  }

  update(record: ServerRecord): void {
    this.record = record;
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    if (this.state.kind !== "ready") return this.exchangeWhenReady(request);
    const link = this.offer.linkFor(this.state.link, request);
    return link instanceof Promise ? this.exchangeOver(link, request) : this.send(link, request);
  }

  /** Resolves once the catalogue for this profile was told; a Fault when it cannot be had. */
  async catalogueFor(profile: Profile): Promise<void> {
    const deadline = deadlineIn(this.context.clock, this.context.limits.probeTimeoutMs);
    await this.whenReady(deadline, this.stopping.signal);
    await this.offer.catalogue.ask(profile);
  }

  /** Resolves once the server tells of updates of what is watched; a Fault when it does not. */
  async hold(watch: Watch): Promise<void> {
    const deadline = deadlineIn(this.context.clock, this.context.limits.probeTimeoutMs);
    await this.whenReady(deadline, this.stopping.signal);
    await this.offer.watches.begin(watch, deadline, this.stopping.signal);
  }

  release(watch: Watch): void {
    this.offer.watches.release(watch);
  }

  async probeNow(): Promise<Health> {
    if (this.state.kind === "ready") await this.state.probes.probe(true);
    else await this.connectIfDown();
    return this.health.current;
  }

  snapshot(): LineSnapshot {
    const wire = this.base()?.wire ?? null;
    return {
      state: this.state.kind,
      era: wire?.era ?? null,
      health: this.health.current,
      inFlight: (wire?.inFlight ?? 0) + this.offer.profiles.inFlight,
      profileLines: this.offer.profiles.size,
      profiles: this.offer.catalogue.size,
      watches: this.context.watches.size,
      counts: { ...this.counts },
    };
  }

  /** No new calls; those under way may finish within `drainMs`, then the connection is closed. */
  async retire(): Promise<void> {
    const { clock, limits } = this.context;
    const { state } = this;
    this.leave();
    const drained = deadlineIn(clock, limits.drainMs);
    const others = this.offer.profiles.retire(drained, () => this.isHurried);
    if (state.kind === "ready") {
      state.link.stopWatching();
      const { wire } = state.link;
      while (wire.inFlight > 0 && !this.isHurried && elapsedMs(drained.at, clock.monotonic()) > 0) {
        await delay(clock, drainPollMs);
      }
    }
    await Promise.all([this.closeLeft(state), others]);
  }

  async stop(): Promise<void> {
    this.isHurried = true;
    const { state } = this;
    this.leave();
    await Promise.all([this.closeLeft(state), this.offer.profiles.stop()]);
  }

  private leave(): void {
    if (this.state.kind === "ready") this.state.probes.stop();
    this.state = { kind: "stopped" };
    this.stopping.abort();
    this.cancelNext();
  }

  private async closeLeft(state: State): Promise<void> {
    if (state.kind === "ready") await state.link.close();
    if (state.kind === "connecting") await state.made;
  }

  private base(): ServerLink | null {
    return this.state.kind === "ready" ? this.state.link : null;
  }

  private connecting(owner: LineOwner, deadline: Deadline, signal: AbortSignal): Connecting {
    const { context, record } = this;
    return { context, record, owner, deadline, signal, onCount: (what) => this.count(what) };
  }

  private async exchangeOver(made: Promise<ServerLink>, request: UpstreamRequest): Promise<UpstreamReply> {
    return this.send(await made, request);
  }

  private send({ wire }: ServerLink, request: UpstreamRequest): Promise<UpstreamReply> {
    if (wire.inFlight >= this.record.concurrencyMax + inFlightSlack) {
      return Promise.reject(
        new Fault("too-many-calls", `${this.record.name} has ${wire.inFlight} requests under way already`),
      );
    }
    return wire.exchange(request);
  }

  private async exchangeWhenReady(request: UpstreamRequest): Promise<UpstreamReply> {
    await this.whenReady(request.deadline, request.signal);
    return this.exchange(request);
  }

  /** Waits for a connection that is being made; a line that backs off says so at once. */
  private async whenReady(deadline: Deadline, signal: AbortSignal): Promise<void> {
    const { record, context } = this;
    if (this.state.kind === "idle" || this.state.kind === "connecting") {
      await within(this.connectIfDown(), { clock: context.clock, deadline, signal, name: record.name });
    }
    if (this.state.kind !== "ready") throw this.notConnected();
  }

  private notConnected(): Fault {
    const { name } = this.record;
    if (this.state.kind !== "backing-off") {
      return new Fault("tool-unavailable", `${name} was taken out of service`);
    }
    const { trouble } = this.state;
    return new Fault("tool-unavailable", `${name} is down: ${trouble.message}`, {
      cause: trouble,
      evidence: { healthCause: trouble.healthCause, reason: trouble.message },
    });
  }

  /** Never rejects. Joins a connection that is being made. */
  private connectIfDown(): Promise<void> {
    if (this.state.kind === "connecting") return this.state.made;
    if (this.state.kind === "ready" || this.state.kind === "stopped") return Promise.resolve();
    this.cancelNext();
    const made = this.connect();
    this.state = { kind: "connecting", made };
    return made;
  }

  private async connect(): Promise<void> {
    const { clock, limits } = this.context;
    const startedAt = clock.monotonic();
    const deadline = deadlineIn(clock, limits.connectTimeoutMs);
    try {
      const owner = new LineOwner(this);
      const { link, listed } = await connectServer(this.connecting(owner, deadline, this.stopping.signal));
      if (this.stopping.signal.aborted || link.wire.trouble !== null) {
        await link.close();
        if (this.stopping.signal.aborted) return;
        throw link.wire.trouble ?? new Trouble("dependency", "the connection was closed");
      }
      owner.isAdopted = true;
      const probes = this.makeProbes(link);
      this.state = { kind: "ready", link, probes, since: clock.monotonic() };
      this.tellConnected(link, elapsedMs(this.state.since, startedAt));
      if (link.wire.era !== this.record.era) this.context.onEra(link.wire.era);
      this.offer.catalogue.begin(listed);
      this.health.set("healthy", null);
      this.offer.begin(link);
      probes.start();
    } catch (error) {
      // Only a listener of ours that throws gets here with a link; it must not be left behind.
      if (this.state.kind === "ready") void this.state.link.close();
      if (!this.stopping.signal.aborted) this.backOff(troubleFrom(error));
    }
  }

  private makeProbes(link: ServerLink): Probes {
    const { clock, random, limits } = this.context;
    return new Probes(link, {
      clock,
      random,
      limits,
      record: () => this.record,
      listed: () => this.offer.catalogue.base(),
      signal: this.stopping.signal,
      onListed: (listed) => this.offer.catalogue.takeBase(listed),
      onWell: () => this.health.set("healthy", null),
      onTrouble: (trouble) => this.health.set("degraded", trouble),
      onHopeless: (trouble) => this.lost(trouble),
      onTick: () => this.offer.tick(),
      onCount: (what) => this.count(what),
    });
  }

  private tellConnected({ wire: { era } }: ServerLink, tookMs: number): void {
    this.context.onEvent({ kind: "connected", serverId: this.record.id, era, tookMs });
  }

  /** The connection is of no use any more. */
  lost(trouble: Trouble): void {
    if (this.state.kind !== "ready") return;
    const { link, probes, since } = this.state;
    const stoodMs = elapsedMs(this.context.clock.monotonic(), since);
    if (stoodMs > this.context.limits.backoffMaxMs) this.attempts = 0;
    probes.stop();
    this.backOff(trouble);
    void link.close();
  }

  private backOff(trouble: Trouble): void {
    const { limits, random, clock } = this.context;
    this.cancelNext();
    this.state = { kind: "backing-off", trouble };
    this.context.onEvent({ kind: "lost", serverId: this.record.id, reason: trouble.message });
    this.health.set("down", trouble);
    const waitMs = backoffMs(this.attempts++, limits.backoffFirstMs, limits.backoffMaxMs, random);
    this.cancelNext = clock.after(waitMs, () => void this.connectIfDown());
  }

  suspect(): void {
    if (this.state.kind === "ready") this.state.probes.relistSoon("suspect");
  }

  notified(method: string, params: Readonly<Record<string, unknown>>): void {
    const base = this.base();
    if (base !== null) this.offer.notified(base, method, params);
  }

  missed(why: "stream" | "session"): void {
    const base = this.base();
    if (base !== null) this.offer.missed(base, why);
  }

  count(what: UpstreamCount): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.context.onEvent({ kind: "counted", serverId: this.record.id, what });
  }

  stderr(line: string): void {
    this.context.onEvent({ kind: "stderr", serverId: this.record.id, line });
  }
}
