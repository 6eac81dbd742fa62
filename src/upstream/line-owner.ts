import type { UpstreamCount } from "./events.ts";
import type { Trouble } from "./trouble.ts";
import type { WireOwner } from "./wire.ts";

/** What a connection's owner does with what its wire tells. */
export interface OwnedLine {
  lost(trouble: Trouble): void;
  suspect(): void;
  notified(method: string, params: Readonly<Record<string, unknown>>): void;
  /** Notifications may have been lost; `session`: and the server has forgotten our subscriptions. */
  missed(why: "stream" | "session"): void;
  stderr(line: string): void;
  count(what: UpstreamCount): void;
}

/** Passes on what a wire tells, once the line has taken the wire; a loss before that fails the connecting instead. */
export class LineOwner implements WireOwner {
  isAdopted = false;
  private readonly line: OwnedLine;

  constructor(line: OwnedLine) {
    this.line = line;
  }

  onLost(trouble: Trouble): void {
    if (this.isAdopted) this.line.lost(trouble);
  }

  onSuspect(): void {
    if (this.isAdopted) this.line.suspect();
  }

  onNotification(method: string, params: Readonly<Record<string, unknown>>): void {
    if (this.isAdopted) this.line.notified(method, params);
  }

  onMissed(why: "stream" | "session"): void {
    if (this.isAdopted) this.line.missed(why);
  }

  onStderr(line: string): void {
    this.line.stderr(line);
  }

  onCount(what: UpstreamCount): void {
    this.line.count(what);
  }
}
