import type { CancelTimer, MonotonicMs, Random } from "../base/index.ts";
import { deadlineIn, delay, elapsedMs, Fault } from "../base/index.ts";
import type { OfferedTool } from "./list-tools.ts";
import type { Era, Health, ServerRecord } from "../registry/index.ts";
import { around, backoffMs } from "./backoff.ts";
import { connectServer, listOver } from "./connect-server.ts";
import type { UpstreamCount, UpstreamEvent } from "./events.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { HealthTold } from "./health-told.ts";
import type { ToolList } from "./list-tools.ts";
import type { OwnedLine } from "./line-owner.ts";
import { LineOwner } from "./line-owner.ts";
import { ownRequest } from "./own-request.ts";
import { Trouble, troubleFrom } from "./trouble.ts";
import type { Wire, WireContext } from "./wire.ts";
import { within } from "./within.ts";

export interface LineContext extends WireContext {
  readonly random: Random;
  readonly onTools: (definitions: readonly OfferedTool[]) => void;
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
  readonly counts: Readonly<Partial<Record<UpstreamCount, number>>>;
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly made: Promise<void> }
  | { readonly kind: "ready"; readonly wire: Wire; readonly since: MonotonicMs }
  | { readonly kind: "backing-off"; readonly trouble: Trouble }
  | { readonly kind: "stopped" };

/** Beyond the server's own cap: the line's probe and listing, and calls that `admit` has just let go of. */
const inFlightSlack = 8;
/** A burst of list_changed leads to one listing, and a server that never stops to at most one per second. */
const relistQuietMs = 100;
const relistGapMs = 1_000;
const drainPollMs = 25;

/** One server: its connection, its health, its list of tools. */
export class ServerLine implements OwnedLine {
  private record: ServerRecord;
  private readonly context: LineContext;
  private state: State = { kind: "idle" };
  private readonly health: HealthTold;
  private readonly counts: Partial<Record<UpstreamCount, number>> = {};
  private readonly stopping = new AbortController();
  private cancelNext: CancelTimer = () => undefined;
  private cancelRelist: CancelTimer | null = null;
  private isHurried = false;
  private attempts = 0;
  private probeFailures = 0;
  private probing: Promise<void> | null = null;
  private listedAt: MonotonicMs;
  private probedAt: MonotonicMs;
  private listedText: string | null = null; // null = nothing told since the connection was made

  constructor(record: ServerRecord, context: LineContext) {
    this.record = record;
    this.context = context;
    this.listedAt = context.clock.monotonic();
    this.probedAt = this.listedAt;
    this.health = new HealthTold(context.clock, context.onHealth);
  }

  /** Tells the first health and connects after `delayMs`, or at the first call if that comes earlier. */
  start(delayMs: number): void {
    this.health.tell();
    this.cancelNext = this.context.clock.after(delayMs, () => void this.connectIfDown());
  }

  /** Whether this change of the record leaves the connection as it is. */
  accepts(record: ServerRecord): boolean {
    const hasSameEra =
      record.era === null || this.state.kind !== "ready" || record.era === this.state.wire.era;
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
    const { wire } = this.state;
    if (wire.inFlight >= this.record.concurrencyMax + inFlightSlack) {
      return Promise.reject(
        new Fault("too-many-calls", `${this.record.name} has ${wire.inFlight} requests under way already`),
      );
    }
    return wire.exchange(request);
  }

  async probeNow(): Promise<Health> {
    if (this.state.kind === "ready") await this.probe(true);
    else await this.connectIfDown();
    return this.health.current;
  }

  snapshot(): LineSnapshot {
    const wire = this.state.kind === "ready" ? this.state.wire : null;
    return {
      state: this.state.kind,
      era: wire?.era ?? null,
      health: this.health.current,
      inFlight: wire?.inFlight ?? 0,
      counts: { ...this.counts },
    };
  }

  /** No new calls; those under way may finish within `drainMs`, then the connection is closed. */
  async retire(): Promise<void> {
    const { state } = this;
    this.leave();
    if (state.kind === "ready") {
      const drained = deadlineIn(this.context.clock, this.context.limits.drainMs);
      while (state.wire.inFlight > 0 && elapsedMs(drained.at, this.context.clock.monotonic()) > 0) {
        if (this.isHurried) break;
        await delay(this.context.clock, drainPollMs);
      }
    }
    await this.closeLeft(state);
  }

  async stop(): Promise<void> {
    this.isHurried = true;
    const { state } = this;
    this.leave();
    await this.closeLeft(state);
  }

  private leave(): void {
    this.state = { kind: "stopped" };
    this.stopping.abort();
    this.cancelNext();
    this.cancelRelist?.();
  }

  private async closeLeft(state: State): Promise<void> {
    if (state.kind === "ready") await state.wire.close();
    if (state.kind === "connecting") await state.made;
  }

  private async exchangeWhenReady(request: UpstreamRequest): Promise<UpstreamReply> {
    const { record, context } = this;
    if (this.state.kind === "idle" || this.state.kind === "connecting") {
      const { deadline, signal } = request;
      await within(this.connectIfDown(), { clock: context.clock, deadline, signal, name: record.name });
    }
    switch (this.state.kind) {
      case "ready":
        return this.exchange(request);
      case "backing-off":
        throw this.downFault(this.state.trouble);
      case "idle":
      case "connecting":
      case "stopped":
        throw new Fault("tool-unavailable", `${record.name} was taken out of service`);
    }
  }

  private downFault(trouble: Trouble): Fault {
    return new Fault("tool-unavailable", `${this.record.name} is down: ${trouble.message}`, {
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
      const { signal } = this.stopping;
      const { wire, tools } = await connectServer(this.context, this.record, owner, deadline, signal);
      if (this.stopping.signal.aborted) {
        await wire.close();
        return;
      }
      if (wire.trouble !== null) {
        await wire.close();
        throw wire.trouble;
      }
      owner.isAdopted = true;
      this.state = { kind: "ready", wire, since: clock.monotonic() };
      this.listedText = null;
      this.probeFailures = 0;
      const tookMs = elapsedMs(clock.monotonic(), startedAt);
      this.context.onEvent({ kind: "connected", serverId: this.record.id, era: wire.era, tookMs });
      if (wire.era !== this.record.era) this.context.onEra(wire.era);
      this.take(tools, wire);
      this.health.set("healthy", null);
      this.scheduleProbe();
    } catch (error) {
      // Only a listener of ours that throws gets here with a wire; it must not be left behind.
      if (this.state.kind === "ready") void this.state.wire.close();
      if (!this.stopping.signal.aborted) this.backOff(troubleFrom(error));
    }
  }

  private take(tools: ToolList, wire: Wire): void {
    this.listedAt = this.context.clock.monotonic();
    if (tools.text === this.listedText) return;
    this.listedText = tools.text;
    wire.setParamHeaders(tools.paramHeaders);
    for (let i = 0; i < tools.dropped; i++) this.count("dropped-tool");
    this.context.onTools(tools.definitions);
  }

  private scheduleProbe(): void {
    const { clock, limits, random } = this.context;
    this.cancelNext();
    this.cancelNext = clock.after(around(limits.probeIntervalMs, random), () => {
      const isListDue = elapsedMs(clock.monotonic(), this.listedAt) >= limits.relistIntervalMs * 0.9;
      void this.probe(isListDue).then(() => {
        if (this.state.kind === "ready") this.scheduleProbe();
      });
    });
  }

  /** Never rejects. One probe at a time: a second asker waits for the one that runs. */
  private probe(withList: boolean): Promise<void> {
    if (this.state.kind !== "ready") return Promise.resolve();
    const { wire } = this.state;
    this.probing ??= this.runProbe(wire, withList).finally(() => {
      this.probing = null;
    });
    return this.probing;
  }

  private async runProbe(wire: Wire, withList: boolean): Promise<void> {
    const { clock, limits } = this.context;
    const deadline = deadlineIn(clock, limits.probeTimeoutMs);
    const { signal } = this.stopping;
    this.probedAt = clock.monotonic();
    try {
      if (withList) {
        const tools = await listOver(wire, this.context, this.record, deadline, signal, true);
        if (this.isOn(wire)) this.take(tools, wire);
      } else {
        // Any answer shows that it lives, also one that says it does not know the method.
        const method = wire.era === "modern" ? "server/discover" : "ping";
        await wire.exchange(ownRequest(this.record, method, null, deadline, signal));
      }
      if (!this.isOn(wire)) return;
      this.probeFailures = 0;
      this.health.set("healthy", null);
    } catch (error) {
      if (this.isOn(wire)) this.onProbeFailed(wire, error);
    }
  }

  private onProbeFailed(wire: Wire, error: unknown): void {
    const { limits } = this.context;
    this.probeFailures++;
    const isSilent = error instanceof Fault && error.code === "deadline-exceeded";
    const trouble = isSilent
      ? new Trouble(
          wire.inFlight > 0 ? "overload" : "dependency",
          `it did not answer a probe within ${limits.probeTimeoutMs} ms, ${wire.inFlight} calls under way`,
        )
      : troubleFrom(error);
    const isHttp = this.record.transport.kind === "http";
    const isHopeless = isHttp && !isSilent && error instanceof Fault && trouble.healthCause !== "overload";
    // Ending a connection makes its open calls unknown, so a silent one is kept while there are any.
    if (isHopeless || (this.probeFailures >= limits.probeFailuresMax && wire.inFlight === 0)) {
      this.lose(wire, trouble);
    } else {
      this.health.set("degraded", trouble);
    }
  }

  private isOn(wire: Wire): boolean {
    return this.state.kind === "ready" && this.state.wire === wire;
  }

  /** The connection is of no use any more. */
  lost(trouble: Trouble): void {
    if (this.state.kind === "ready") this.lose(this.state.wire, trouble);
  }

  private lose(wire: Wire, trouble: Trouble): void {
    if (!this.isOn(wire) || this.state.kind !== "ready") return;
    const stoodMs = elapsedMs(this.context.clock.monotonic(), this.state.since);
    if (stoodMs > this.context.limits.backoffMaxMs) this.attempts = 0;
    this.backOff(trouble);
    void wire.close();
  }

  private backOff(trouble: Trouble): void {
    const { limits, random, clock } = this.context;
    this.cancelNext();
    this.cancelRelist?.();
    this.cancelRelist = null;
    this.state = { kind: "backing-off", trouble };
    this.context.onEvent({ kind: "lost", serverId: this.record.id, reason: trouble.message });
    this.health.set("down", trouble);
    const waitMs = backoffMs(this.attempts++, limits.backoffFirstMs, limits.backoffMaxMs, random);
    this.cancelNext = clock.after(waitMs, () => void this.connectIfDown());
  }

  suspect(): void {
    this.relistIn(0);
  }

  listChanged(): void {
    this.relistIn(relistQuietMs);
  }

  private relistIn(quietMs: number): void {
    if (this.cancelRelist !== null || this.state.kind !== "ready") return;
    const { clock } = this.context;
    const sinceMs = elapsedMs(clock.monotonic(), this.probedAt);
    this.cancelRelist = clock.after(Math.max(quietMs, relistGapMs - sinceMs), () => {
      // A listing that already runs may have been answered before the change.
      void (this.probing ?? Promise.resolve()).then(() => {
        this.cancelRelist = null;
        return this.probe(true);
      });
    });
  }

  count(what: UpstreamCount): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.context.onEvent({ kind: "counted", serverId: this.record.id, what });
  }

  stderr(line: string): void {
    this.context.onEvent({ kind: "stderr", serverId: this.record.id, line });
  }
}
