import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { Server } from "@modelcontextprotocol/server";
import type { CancelTimer, MonotonicMs } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";
import { serverOptions } from "./describe.ts";

/** One client of the older protocol, from `initialize` to DELETE, idleness or our end. */
export interface LegacySession {
  readonly id: string;
  /** Who opened it, and on whose behalf: the only one for whom it exists. */
  readonly owner: string;
  readonly transport: NodeStreamableHTTPServerTransport;
  readonly server: Server;
  lastUsedAt: MonotonicMs;
  /** Requests and streams that are open now; a session with one is not idle. */
  openExchanges: number;
}

/** Sessions live in this process: they hold streams. A client whose session is gone gets 404 and initialises anew. */
export class LegacySessions {
  private readonly options: EdgeOptions;
  private readonly bounds: EdgeBounds;
  /** In the order of their last use, least recent first: a Map keeps insertion order and `touch` inserts anew. */
  private readonly sessions = new Map<string, LegacySession>();
  private readonly countByOwner = new Map<string, number>();
  private cancelSweep: CancelTimer | null = null;
  private streamsEnding = false;
  private isStopped = false;

  constructor(parts: { options: EdgeOptions; bounds: EdgeBounds }) {
    this.options = parts.options;
    this.bounds = parts.bounds;
  }

  get size(): number {
    return this.sessions.size;
  }

  get areStreamsEnding(): boolean {
    return this.streamsEnding;
  }

  start(): void {
    this.cancelSweep = this.options.clock.after(this.bounds.sessionIdleMs / 4, () => {
      this.sweep();
      if (!this.isStopped) this.start();
    });
  }

  /**
   * A new session that is not known yet: it becomes so when the SDK has accepted `initialize`. null = there are too many and
   * none is idle.
   */
  async open(principal: Principal, wire: (session: LegacySession) => void): Promise<LegacySession | null> {
    const owner = ownerOf(principal);
    if (this.isStopped || !this.makeRoom(owner)) return null;
    const id = `ses_${Buffer.from(this.options.random.bytes(24)).toString("base64url")}`;
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      keepAliveMs: this.bounds.keepAliveCommentMs,
      onsessioninitialized: () => this.add(session),
      onsessionclosed: () => this.forget(session),
    });
    const server = new Server(this.options.serverInfo, serverOptions(this.options.instructions));
    const session: LegacySession = {
      id,
      owner,
      transport,
      server,
      lastUsedAt: this.options.clock.monotonic(),
      openExchanges: 0,
    };
    wire(session);
    server.onclose = () => this.forget(session);
    await server.connect(transport);
    return session;
  }

  /** null = unknown, which is also what another's session looks like. */
  find(id: string, principal: Principal): LegacySession | null {
    const session = this.sessions.get(id);
    return session !== undefined && session.owner === ownerOf(principal) ? session : null;
  }

  isKnown(session: LegacySession): boolean {
    return this.sessions.get(session.id) === session;
  }

  touch(session: LegacySession): void {
    session.lastUsedAt = this.options.clock.monotonic();
    if (!this.sessions.delete(session.id)) return;
    this.sessions.set(session.id, session);
  }

  toolsChanged(): void {
    for (const session of this.sessions.values()) session.server.sendToolListChanged().catch(() => undefined);
  }

  /** Streams that only wait for notifications end at once when we stop: nothing will come, and they are not work. */
  endStreams(): void {
    this.streamsEnding = true;
    for (const session of this.sessions.values()) session.transport.closeStandaloneSSEStream();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancelSweep?.();
    await Promise.all([...this.sessions.values()].map((session) => this.close(session)));
  }

  async close(session: LegacySession): Promise<void> {
    this.forget(session);
    try {
      await session.server.close();
    } catch (error) {
      this.options.log.warn("a session did not close cleanly", { error });
    }
  }

  private add(session: LegacySession): void {
    this.sessions.set(session.id, session);
    this.countByOwner.set(session.owner, (this.countByOwner.get(session.owner) ?? 0) + 1);
  }

  private forget(session: LegacySession): void {
    if (!this.isKnown(session)) return;
    this.sessions.delete(session.id);
    const count = (this.countByOwner.get(session.owner) ?? 1) - 1;
    if (count === 0) this.countByOwner.delete(session.owner);
    else this.countByOwner.set(session.owner, count);
  }

  /** At a bound, the least recently used session without anything open makes room: of the same owner first, then of all. */
  private makeRoom(owner: string): boolean {
    if ((this.countByOwner.get(owner) ?? 0) >= this.bounds.sessionsPerPrincipalMax) {
      return this.evict((session) => session.owner === owner);
    }
    return this.sessions.size < this.bounds.sessionsMax || this.evict(() => true);
  }

  private evict(mayGo: (session: LegacySession) => boolean): boolean {
    for (const session of this.sessions.values()) {
      if (session.openExchanges > 0 || !mayGo(session)) continue;
      void this.close(session);
      return true;
    }
    return false;
  }

  private sweep(): void {
    const now = this.options.clock.monotonic();
    for (const session of this.sessions.values()) {
      // Ordered by last use: behind the first fresh one there are only fresher ones.
      if (elapsedMs(now, session.lastUsedAt) < this.bounds.sessionIdleMs) return;
      if (session.openExchanges === 0) void this.close(session);
    }
  }
}

/** Rights come from the whole chain, so a session does too. Ids hold no line feed. */
function ownerOf(principal: Principal): string {
  return [principal.tenant, principal.id, ...principal.chain.map((link) => link.id)].join("\n");
}
