import type { Deadline, MonotonicMs } from "../base/index.ts";
import { deadlineIn, delay, elapsedMs, Fault, plusMs } from "../base/index.ts";
import type { Profile } from "../registry/index.ts";
import { Audience } from "./audience.ts";
import { LineOwner } from "./line-owner.ts";
import type { OwnedProfileContext } from "./owned-profile.ts";
import { OwnedProfile } from "./owned-profile.ts";
import type { RoomLimits } from "./line-room.ts";
import { roomFor } from "./line-room.ts";
import type { ServerLink } from "./server-link.ts";
import { Trouble, troubleFrom } from "./trouble.ts";
import { within } from "./within.ts";

export interface ProfileLinesContext extends OwnedProfileContext {
  readonly open: (
    profile: Profile,
    owner: LineOwner,
    deadline: Deadline,
    signal: AbortSignal,
  ) => Promise<ServerLink>;
  readonly onConnected: (link: ServerLink, tookMs: number) => void;
}

interface Line {
  readonly profile: Profile;
  /** For whose calls it was handed out. What was really sent over it the wire knows itself. */
  readonly audience: Audience;
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
 * capabilities need another. And each caller has one to itself while there is room, because what a server asks on it names no call.
 * A few at a time (`line-room.ts`): the least recently used idle one makes room, and an idle one is closed after a while. Where there is none,
 * callers with the same capabilities share one, and are not asked there what names no call (see `Audience`); their next call is
 * given one of its own when there is room again. What befalls one of them concerns its own callers alone.
 */
export class ProfileLines {
  private readonly context: ProfileLinesContext;
  private readonly lines = new Set<Line>(); // oldest first
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
    for (const { link } of this.lines) sum += link?.wire.inFlight ?? 0;
    return sum;
  }

  /** The oldest for this profile, which holds what is watched; null = it does not stand. */
  standing(profile: Profile): ServerLink | null {
    return this.find(profile, () => true)?.link ?? null;
  }

  /**
   * Opens one if need be, or joins its opening; counts as use. `caller`: null = for lists and watches, which the oldest serves. A
   * promise only where it does not stand yet. Rejects with `tool-unavailable`, or with what ended the waiting.
   */
  link(
    profile: Profile,
    caller: string | null,
    deadline: Deadline,
    signal: AbortSignal,
  ): ServerLink | Promise<ServerLink> {
    const line = this.lineFor(profile, caller);
    if (line instanceof Fault) return Promise.reject(line);
    this.take(line, caller);
    return line.link ?? this.joined(line, caller, deadline, signal);
  }

  /** Closes what nobody used for a while. */
  closeIdle(): void {
    const { clock, limits } = this.context;
    const now = clock.monotonic();
    for (const line of this.lines) {
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
    for (const { link } of this.lines) link?.stopWatching();
    while (this.inFlight > 0 && !isHurried() && elapsedMs(deadline.at, clock.monotonic()) > 0) {
      await delay(clock, drainPollMs);
    }
    for (const line of this.lines) this.takeOut(line);
    await Promise.allSettled(this.closing);
  }

  stop(): Promise<void> {
    return this.retire(deadlineIn(this.context.clock, 0), () => true);
  }

  private lineFor(profile: Profile, caller: string | null): Line | Fault {
    const own = this.find(profile, ({ audience }) => caller === null || audience.suits(caller));
    if (own !== null) return own;
    const toShare = this.toShare(profile);
    const opened = this.tryOpen(profile);
    return opened instanceof Fault ? (toShare ?? opened) : opened;
  }

  private find(profile: Profile, isFitting: (line: Line) => boolean): Line | null {
    for (const line of this.lines) if (line.profile.key === profile.key && isFitting(line)) return line;
    return null;
  }

  /** One that is shared already, or else that whose caller has been away longest; null = there is none. */
  private toShare(profile: Profile): Line | null {
    let best: Line | null = null;
    for (const line of this.lines) {
      if (line.profile.key !== profile.key) continue;
      if (line.audience.isShared) return line;
      if (best === null || elapsedMs(line.usedAt, best.usedAt) < 0) best = line;
    }
    return best;
  }

  private take(line: Line, caller: string | null): void {
    line.audience.admit(caller);
    line.usedAt = this.context.clock.monotonic();
  }

  /** Who can have none of its own, and could not know before, shares one that stands. */
  private async joined(
    line: Line,
    caller: string | null,
    deadline: Deadline,
    signal: AbortSignal,
  ): Promise<ServerLink> {
    const { clock, record } = this.context;
    try {
      return await within(line.made, { clock, deadline, signal, name: record().name });
    } catch (thrown) {
      const spare = this.lines.has(line) ? null : this.toShare(line.profile);
      if (spare === null || spare.link === null) throw thrown;
      this.take(spare, caller);
      return spare.link;
    }
  }

  private tryOpen(profile: Profile): Line | Fault {
    const { clock, record } = this.context;
    const { name } = record();
    if (this.stopping.signal.aborted)
      return new Fault("tool-unavailable", `${name} was taken out of service`);
    const failure = this.failures.get(profile.key);
    if (failure !== undefined && elapsedMs(failure.until, clock.monotonic()) > 0) {
      return noConnection(name, failure.trouble);
    }
    const limits = this.roomLimits();
    const leaving = roomFor(this.lines, profile.key, isIdle, clock.monotonic(), limits);
    if (leaving === null) {
      const reason = `all ${limits.profilesMax} connections for other capabilities are busy`;
      return noConnection(name, new Trouble("overload", reason));
    }
    for (const line of leaving) this.takeOut(line);
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
        if (!this.lines.has(line) || link.wire.trouble !== null) {
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
    const line: Line = { profile, audience: new Audience(), link: null, usedAt: startedAt, made };
    // Whoever asked may have stopped waiting.
    made.catch(() => undefined);
    this.lines.add(line);
    return line;
  }

  private onFailed(line: Line, trouble: Trouble): void {
    const { key } = line.profile;
    this.lines.delete(line);
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

  private roomLimits(): RoomLimits {
    const { limits, record } = this.context;
    const keepMs = limits.profileKeepMs;
    return record().transport.kind === "http"
      ? { profilesMax: limits.profileLinesHttpMax, callersMax: limits.callerLinesHttpMax, keepMs }
      : { profilesMax: limits.profileLinesStdioMax, callersMax: limits.callerLinesStdioMax, keepMs };
  }

  private takeOut(line: Line): void {
    if (!this.lines.delete(line)) return;
    const { link } = line;
    const closing = link === null ? line.made.then(noLink, noLink) : link.close().catch(noLink);
    this.closing.add(closing);
    void closing.then(() => this.closing.delete(closing));
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
