import type { CancelTimer, Clock, MonotonicMs, Random } from "../base/index.ts";
import { deadlineIn, elapsedMs, Fault } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import { around } from "./backoff.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { Listed } from "./lists/read-catalogue.ts";
import { ownRequest } from "./own-request.ts";
import type { ServerLink } from "./server-link.ts";
import { Trouble, troubleFrom } from "./trouble.ts";

export interface ProbesContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: UpstreamLimits;
  readonly record: () => ServerRecord;
  /** null = nothing was listed yet. */
  readonly listed: () => Listed | null;
  /** Aborts when the line ends. */
  readonly signal: AbortSignal;
  readonly onListed: (listed: Listed) => void;
  readonly onWell: () => void;
  readonly onTrouble: (trouble: Trouble) => void;
  /** The connection is of no use any more. */
  readonly onHopeless: (trouble: Trouble) => void;
  /** After each probe that came by itself. */
  readonly onTick: () => void;
  readonly onCount: (what: UpstreamCount) => void;
}

/** A burst of list_changed leads to one listing, and a server that never stops to at most one per second. */
const relistQuietMs = 100;
const relistGapMs = 1_000;

/** Looks after one connection: whether its server answers, and whether what it offers has changed. Says nothing once stopped. */
export class Probes {
  private readonly link: ServerLink;
  private readonly context: ProbesContext;
  private cancelNext: CancelTimer = () => undefined;
  private cancelRelist: CancelTimer | null = null;
  private isStopped = false;
  private failures = 0;
  private running: Promise<void> | null = null;
  private listedAt: MonotonicMs;
  private probedAt: MonotonicMs;

  /** The link was listed just now. */
  constructor(link: ServerLink, context: ProbesContext) {
    this.link = link;
    this.context = context;
    this.listedAt = context.clock.monotonic();
    this.probedAt = this.listedAt;
  }

  start(): void {
    const { clock, limits, random, onTick } = this.context;
    this.cancelNext();
    this.cancelNext = clock.after(around(limits.probeIntervalMs, random), () => {
      const isListDue = elapsedMs(clock.monotonic(), this.listedAt) >= limits.relistIntervalMs * 0.9;
      void this.probe(isListDue).then(() => {
        if (this.isStopped) return;
        onTick();
        this.start();
      });
    });
  }

  stop(): void {
    this.isStopped = true;
    this.cancelNext();
    this.cancelRelist?.();
  }

  /** Never rejects. One probe at a time: a second asker waits for the one that runs. */
  probe(withList: boolean): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    this.running ??= this.run(withList).finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** `changed`: the server said so, and may say more in a moment. `suspect`: something went wrong. */
  relistSoon(why: "changed" | "suspect"): void {
    if (this.cancelRelist !== null || this.isStopped) return;
    const { clock } = this.context;
    const quietMs = why === "changed" ? relistQuietMs : 0;
    const sinceMs = elapsedMs(clock.monotonic(), this.probedAt);
    this.cancelRelist = clock.after(Math.max(quietMs, relistGapMs - sinceMs), () => {
      // A listing that already runs may have been answered before the change.
      void (this.running ?? Promise.resolve()).then(() => {
        this.cancelRelist = null;
        return this.probe(true);
      });
    });
  }

  private async run(withList: boolean): Promise<void> {
    const { clock, limits, signal, record, onListed, onWell, onCount } = this.context;
    const deadline = deadlineIn(clock, limits.probeTimeoutMs);
    this.probedAt = clock.monotonic();
    try {
      if (withList) {
        const before = this.context.listed();
        const options = { deadline, signal, mayLackTools: true, before, onCount };
        const listed = await this.link.list(noCapabilities, options);
        if (this.isStopped) return;
        this.listedAt = clock.monotonic();
        onListed(listed);
      } else {
        // Any answer shows that it lives, also one that says it does not know the method.
        await this.link.wire.exchange(ownRequest(record(), this.link.probeMethod, null, deadline, signal));
      }
      if (this.isStopped) return;
      this.failures = 0;
      onWell();
    } catch (error) {
      if (!this.isStopped) this.onFailed(error);
    }
  }

  private onFailed(error: unknown): void {
    const { limits, record, onHopeless, onTrouble } = this.context;
    const { inFlight } = this.link.wire;
    this.failures++;
    const isSilent = error instanceof Fault && error.code === "deadline-exceeded";
    const trouble = isSilent
      ? new Trouble(
          inFlight > 0 ? "overload" : "dependency",
          `it did not answer a probe within ${limits.probeTimeoutMs} ms, ${inFlight} calls under way`,
        )
      : troubleFrom(error);
    const isHttp = record().transport.kind === "http";
    const isHopeless = isHttp && !isSilent && error instanceof Fault && trouble.healthCause !== "overload";
    // Ending a connection makes its open calls unknown, so a silent one is kept while there are any.
    if (isHopeless || (this.failures >= limits.probeFailuresMax && inFlight === 0)) onHopeless(trouble);
    else onTrouble(trouble);
  }
}
