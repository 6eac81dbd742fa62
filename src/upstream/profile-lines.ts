import type { Clock, Deadline, MonotonicMs } from "../base/index.ts";
import { deadlineIn, delay, elapsedMs, Fault, plusMs } from "../base/index.ts";
import type { Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { OwnedLine } from "./line-owner.ts";
import { LineOwner } from "./line-owner.ts";
import { ownRequest } from "./own-request.ts";
import type { ServerLink } from "./server-link.ts";
import { Trouble, troubleFrom } from "./trouble.ts";
import { within } from "./within.ts";

export interface ProfileLinesContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  readonly record: () => ServerRecord;
  readonly open: (
    profile: Profile,
    owner: LineOwner,
    deadline: Deadline,
    signal: AbortSignal,
  ) => Promise<ServerLink>;
  readonly onConnected: (link: ServerLink, tookMs: number) => void;
  readonly onNotification: (
    link: ServerLink,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ) => void;
  readonly onMissed: (link: ServerLink, why: "stream" | "session") => void;
  readonly stderr: (line: string) => void;
  readonly count: (what: UpstreamCount) => void;
}

interface Line {
  readonly profile: Profile;
  readonly made: Promise<ServerLink>;
  link: ServerLink | null; // null = it is being made
  usedAt: MonotonicMs;
}

interface Failure {
  readonly until: MonotonicMs;
  readonly inARow: number;
  readonly trouble: Trouble;
}

const drainPollMs = 25;

/**
 * More connections to one legacy server: it was told a client's capabilities when a connection was made, so callers with other
 * capabilities need another. A few at a time: the least recently used idle one makes room, and an idle one is closed after a while.
 * What befalls one of them concerns its own callers alone.
 */
export class ProfileLines {
  private readonly context: ProfileLinesContext;
  private readonly lines = new Map<string, Line>();
  private readonly failures = new Map<string, Failure>();
  private readonly closing = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(context: ProfileLinesContext) {
    this.context = context;
  }

  get size(): number {
    return this.lines.size;
  }

  get inFlight(): number {
    let sum = 0;
    for (const { link } of this.lines.values()) sum += link?.wire.inFlight ?? 0;
    return sum;
  }

  /** null = there is none for this profile that stands. */
  standing(profile: Profile): ServerLink | null {
    return this.lines.get(profile.key)?.link ?? null;
  }

  /** Opens one if need be, or joins its opening; counts as use. A promise only where it does not stand yet. Rejects with `tool-unavailable`, or with what ended the waiting. */
  link(profile: Profile, deadline: Deadline, signal: AbortSignal): ServerLink | Promise<ServerLink> {
    const { clock } = this.context;
    const line = this.lines.get(profile.key) ?? this.tryOpen(profile);
    if (line instanceof Fault) return Promise.reject(line);
    line.usedAt = clock.monotonic();
    if (line.link !== null) return line.link;
    return within(line.made, { clock, deadline, signal, name: this.context.record().name });
  }

  /** Closes what nobody used for a while. */
  closeIdle(): void {
    const { clock, limits } = this.context;
    const now = clock.monotonic();
    for (const line of this.lines.values()) {
      if (isIdle(line) && elapsedMs(now, line.usedAt) >= limits.profileIdleMs) this.takeOut(line);
    }
    for (const [key, failure] of this.failures) {
      // Kept beyond its time, so that a server that always fails is asked ever more rarely.
      if (elapsedMs(now, failure.until) >= limits.backoffMaxMs) this.failures.delete(key);
    }
  }

  /** No new calls; those under way may finish until the deadline, unless `isHurried` says otherwise. */
  async retire(deadline: Deadline, isHurried: () => boolean): Promise<void> {
    this.stopping.abort();
    const { clock } = this.context;
    for (const { link } of this.lines.values()) link?.stopWatching();
    while (this.inFlight > 0 && !isHurried() && elapsedMs(deadline.at, clock.monotonic()) > 0) {
      await delay(clock, drainPollMs);
    }
    for (const line of this.lines.values()) this.takeOut(line);
    await Promise.allSettled(this.closing);
  }

  stop(): Promise<void> {
    return this.retire(deadlineIn(this.context.clock, 0), () => true);
  }

  private tryOpen(profile: Profile): Line | Fault {
    const { clock, record } = this.context;
    const { name, transport } = record();
    if (this.stopping.signal.aborted)
      return new Fault("tool-unavailable", `${name} was taken out of service`);
    const failure = this.failures.get(profile.key);
    if (failure !== undefined && elapsedMs(failure.until, clock.monotonic()) > 0) {
      return noConnection(name, failure.trouble);
    }
    const { profileLinesHttpMax, profileLinesStdioMax } = this.context.limits;
    const max = transport.kind === "http" ? profileLinesHttpMax : profileLinesStdioMax;
    if (this.lines.size >= max && !this.makeRoom()) {
      return noConnection(
        name,
        new Trouble("overload", `all ${max} connections for other capabilities are busy`),
      );
    }
    return this.open(profile);
  }

  private open(profile: Profile): Line {
    const { clock, limits } = this.context;
    const startedAt = clock.monotonic();
    const deadline = deadlineIn(clock, limits.connectTimeoutMs);
    const owned = new OwnedProfile(this.context, (trouble) => this.onLost(line, trouble));
    const owner = new LineOwner(owned);
    const made = this.context
      .open(profile, owner, deadline, this.stopping.signal)
      .then(async (link) => {
        if (this.lines.get(profile.key) !== line || link.wire.trouble !== null) {
          await link.close();
          throw link.wire.trouble ?? new Trouble("dependency", "the connection was closed");
        }
        owner.isAdopted = true;
        owned.link = link;
        line.link = link;
        this.failures.delete(profile.key);
        link.start({
          onNotification: (method, params) => this.context.onNotification(link, method, params),
          onMissed: () => this.context.onMissed(link, "stream"),
        });
        this.context.onConnected(link, elapsedMs(clock.monotonic(), startedAt));
        return link;
      })
      .catch((error: unknown) => {
        const trouble = troubleFrom(error);
        this.onFailed(line, trouble);
        throw noConnection(this.context.record().name, trouble);
      });
    const line: Line = { profile, link: null, usedAt: startedAt, made };
    // Whoever asked may have stopped waiting.
    made.catch(() => undefined);
    this.lines.set(profile.key, line);
    return line;
  }

  private onFailed(line: Line, trouble: Trouble): void {
    const { key } = line.profile;
    if (this.lines.get(key) === line) this.lines.delete(key);
    if (this.stopping.signal.aborted) return;
    this.remember(key, trouble);
    this.context.count("lost-profile");
  }

  private onLost(line: Line, trouble: Trouble): void {
    this.takeOut(line);
    this.remember(line.profile.key, trouble);
    this.context.count("lost-profile");
  }

  /** Until the wait is over, callers hear the reason at once instead of starting a process each. */
  private remember(key: string, trouble: Trouble): void {
    const { clock, limits } = this.context;
    const inARow = (this.failures.get(key)?.inARow ?? 0) + 1;
    const waitMs = Math.min(limits.backoffMaxMs, limits.backoffFirstMs * 2 ** Math.min(inARow - 1, 30));
    this.failures.delete(key);
    this.failures.set(key, { until: plusMs(clock.monotonic(), waitMs), inARow, trouble });
    const oldest = this.failures.keys().next();
    if (this.failures.size > limits.profilesMax && oldest.done !== true) this.failures.delete(oldest.value);
  }

  private makeRoom(): boolean {
    const idle = [...this.lines.values()].filter(isIdle);
    const [oldest] = idle.toSorted((a, b) => elapsedMs(a.usedAt, b.usedAt));
    if (oldest !== undefined) this.takeOut(oldest);
    return oldest !== undefined;
  }

  private takeOut(line: Line): void {
    if (this.lines.get(line.profile.key) !== line) return;
    this.lines.delete(line.profile.key);
    const { link } = line;
    const closing = link === null ? line.made.then(noLink, noLink) : link.close().catch(noLink);
    this.closing.add(closing);
    void closing.then(() => this.closing.delete(closing));
  }
}

/** What one of these connections tells. A suspicion is looked into at once, as nothing probes it otherwise. */
class OwnedProfile implements OwnedLine {
  link: ServerLink | null = null; // null = not in service
  private readonly context: ProfileLinesContext;
  private readonly onLost: (trouble: Trouble) => void;
  private isProbing = false;

  constructor(context: ProfileLinesContext, onLost: (trouble: Trouble) => void) {
    this.context = context;
    this.onLost = onLost;
  }

  lost(trouble: Trouble): void {
    this.onLost(trouble);
  }

  suspect(): void {
    const { link } = this;
    if (link === null || this.isProbing) return;
    this.isProbing = true;
    void this.probe(link).finally(() => (this.isProbing = false));
  }

  notified(method: string, params: Readonly<Record<string, unknown>>): void {
    if (this.link !== null) this.context.onNotification(this.link, method, params);
  }

  missed(why: "stream" | "session"): void {
    if (this.link !== null) this.context.onMissed(this.link, why);
  }

  stderr(line: string): void {
    this.context.stderr(line);
  }

  count(what: UpstreamCount): void {
    this.context.count(what);
  }

  /** Never rejects. One with calls under way is left to them: ending it would make them unknown. */
  private async probe(link: ServerLink): Promise<void> {
    const { clock, limits, record } = this.context;
    const deadline = deadlineIn(clock, limits.probeTimeoutMs);
    const { signal } = new AbortController();
    try {
      await link.wire.exchange(ownRequest(record(), link.probeMethod, null, deadline, signal));
    } catch (error) {
      if (link.wire.inFlight === 0) this.onLost(troubleFrom(error));
    }
  }
}

const isIdle = ({ link }: Line): boolean => link !== null && link.wire.inFlight === 0 && link.heldCount === 0;

const noLink = (): void => undefined;

const noConnection = (name: string, trouble: Trouble): Fault =>
  new Fault(
    "tool-unavailable",
    `${name}: no connection for a client with these capabilities: ${trouble.message}`,
    { cause: trouble, evidence: { healthCause: trouble.healthCause, reason: trouble.message } },
  );
