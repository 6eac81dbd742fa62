import type { Clock } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { AddressScope, Resolve } from "./address-guard.ts";
import { HttpPool } from "./pool.ts";

export interface NetLimits {
  /** One pool per upstream server and a few for identity: more is a leak or a mistake. */
  readonly poolsMax: number;
  /**
   * Connections of one pool, of each of its two kinds: those that send plain requests, and undici's. Calls to one server rarely run wider, and
   * the rest waits in the pool's queues.
   */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** Node's own default for a server. */
  readonly headerBytesMax: number;
}

const defaultNetLimits: NetLimits = {
  poolsMax: 2_000,
  connectionsMax: 128,
  connectTimeoutMs: 10_000,
  headerBytesMax: 16 * 1024,
};

export interface PoolOptions {
  /** An http: or https: URL; only its origin counts. */
  readonly url: URL;
  readonly allow: readonly AddressScope[];
  readonly connectionsMax?: number;
  /** PEM of the authorities to trust instead of Node's own. */
  readonly ca?: string;
  /** How names are resolved, when not as for all others. */
  readonly resolve?: Resolve;
}

/** Hands out pools and closes those that are left at `stop`. */
export class Net {
  private readonly clock: Clock;
  private readonly limits: NetLimits;
  private readonly resolve: Resolve | undefined;
  private readonly pools = new Set<HttpPool>();
  private isStopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly limits?: Partial<NetLimits>;
    readonly resolve?: Resolve;
  }) {
    this.clock = options.clock;
    this.limits = { ...defaultNetLimits, ...options.limits };
    this.resolve = options.resolve;
  }

  get poolCount(): number {
    return this.pools.size;
  }

  start(): void {
    this.isStopped = false;
  }

  /** Opens no connection yet. The caller closes the pool. */
  openPool(options: PoolOptions): HttpPool {
    if (this.isStopped) throw new Fault("shutting-down", "the HTTP client is stopped");
    if (options.url.protocol !== "http:" && options.url.protocol !== "https:") {
      throw new Fault("config-invalid", `${options.url.protocol} is not http: or https:`);
    }
    if (this.pools.size >= this.limits.poolsMax) {
      throw new Fault("queue-full", `${this.limits.poolsMax} connection pools are open already`);
    }
    const resolve = options.resolve ?? this.resolve;
    const pool: HttpPool = new HttpPool({
      origin: options.url.origin,
      allow: options.allow,
      connectionsMax: options.connectionsMax ?? this.limits.connectionsMax,
      connectTimeoutMs: this.limits.connectTimeoutMs,
      headerBytesMax: this.limits.headerBytesMax,
      ca: options.ca ?? null,
      clock: this.clock,
      onClosed: () => this.pools.delete(pool),
      ...(resolve === undefined ? {} : { resolve }),
    });
    this.pools.add(pool);
    return pool;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.allSettled([...this.pools].map((pool) => pool.close()));
  }
}
