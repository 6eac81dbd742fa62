import type { Clock } from "../base/index.ts";
import { deadlineIn } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { OwnedLine } from "./line-owner.ts";
import { ownRequest } from "./own-request.ts";
import type { ServerLink } from "./server-link.ts";
import type { Trouble } from "./trouble.ts";
import { troubleFrom } from "./trouble.ts";

export interface OwnedProfileContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  readonly record: () => ServerRecord;
  readonly onNotification: (
    link: ServerLink,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ) => void;
  readonly onMissed: (link: ServerLink, why: "stream" | "session") => void;
  readonly stderr: (line: string) => void;
  readonly count: (what: UpstreamCount) => void;
}

/** What a connection for one set of capabilities tells. A suspicion is looked into at once, as nothing probes it otherwise. */
export class OwnedProfile implements OwnedLine {
  link: ServerLink | null = null; // null = not in service
  private readonly context: OwnedProfileContext;
  private readonly onLost: (trouble: Trouble) => void;
  private isProbing = false;

  constructor(context: OwnedProfileContext, onLost: (trouble: Trouble) => void) {
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
