import { Cores, Thread, Timeline } from "./simulated-cores.ts";

/**
 * A cluster as a discrete simulation on one seed: nodes whose event loops serve operations and gather transactions into flushes, which take
 * turns at one database. What each piece takes is given, as measured; how they get in each other's way is what comes out.
 */
export interface Costs {
  /** CPU of a node's main thread for one operation, without its flushes. */
  readonly nodeUs: number;
  /** … and for one flush. */
  readonly nodeFlushUs: number;
  /** CPU of a node's other threads (the collector's, the compiler's), for one operation. */
  readonly besideUs: number;
  /** Transactions of one operation, one after the other: a call of class read has one, of class effect two. */
  readonly transactions: number;
  /** CPU of the database with the turn, for one transaction. */
  readonly turnUs: number;
  /** … and for one flush. */
  readonly turnFlushUs: number;
  /** CPU of the database without the turn (reads, sequencing), for one operation. */
  readonly readsUs: number;
  /** CPU of whoever asks, and of the servers behind, where they share the machine; for one operation. */
  readonly loadUs: number;
  /** How long a commit waits for the WAL. */
  readonly walUs: number;
}

export interface Layout {
  readonly nodes: number;
  /** Operations under way at each node. */
  readonly inFlight: number;
  /** Everything on so many cores; or each on its own. */
  readonly cores: { readonly shared: number } | { readonly ofNode: number; readonly ofDatabase: number };
  /** Between a node and the database, and back. */
  readonly roundTripUs: number;
  /** Round trips of a flush while it has the turn. */
  readonly trips: 1 | 2;
}

export interface Outcome {
  readonly perSecond: number;
  readonly flushesPerSecond: number;
  readonly turnHeld: number;
  readonly mainThread: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** As in store/group-commit.ts. */
const flushTransactionsMax = 1_024;
const flushBesideMin = 256;
const flushBehindMin = 64;
/** What an event loop does to send a flush's second packet. */
const secondPacketUs = 30;

export function simulate(costs: Costs, layout: Layout, seed: number, seconds = 3): Outcome {
  const world = new World(costs, layout, seed);
  const warmUpUs = 500_000;
  world.timeline.runUntil(warmUpUs);
  const from = world.mark();
  world.latencies.length = 0;
  world.timeline.runUntil(warmUpUs + seconds * 1e6);
  const to = world.mark();
  const sorted = world.latencies.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN) / 1000;
  return {
    perSecond: (to.done - from.done) / seconds,
    flushesPerSecond: (to.flushes - from.flushes) / seconds,
    turnHeld: (to.heldUs - from.heldUs) / (seconds * 1e6),
    mainThread: Math.max(...to.mainUs.map((us, i) => us - (from.mainUs[i] ?? 0))) / (seconds * 1e6),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

class World {
  readonly timeline = new Timeline();
  readonly latencies: number[] = [];
  readonly costs: Costs;
  readonly layout: Layout;
  readonly turn: Turn;
  done = 0;
  flushes = 0;
  private readonly nodes: SimulatedNode[];
  private state: number;

  constructor(costs: Costs, layout: Layout, seed: number) {
    this.costs = costs;
    this.layout = layout;
    this.state = seed >>> 0;
    this.turn = new Turn(this.timeline);
    const { cores } = layout;
    const shared = "shared" in cores ? new Cores(this.timeline, cores.shared) : null;
    const ofDatabase = "shared" in cores ? (shared as Cores) : new Cores(this.timeline, cores.ofDatabase);
    this.nodes = Array.from({ length: layout.nodes }, () => {
      const own = "shared" in cores ? (shared as Cores) : new Cores(this.timeline, cores.ofNode);
      return new SimulatedNode(this, own, ofDatabase, shared);
    });
    for (const node of this.nodes) for (let i = 0; i < layout.inFlight; i++) node.begin();
  }

  mark() {
    const { done, flushes } = this;
    return { done, flushes, heldUs: this.turn.heldUs(), mainUs: this.nodes.map(({ main }) => main.usedUs) };
  }

  /** Half to one and a half of it, evenly: nothing takes the same time twice. (mulberry32) */
  about(us: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return us * (0.5 + ((t ^ (t >>> 14)) >>> 0) / 2 ** 32);
  }
}

/** First come, first served: the store's advisory lock; and a node's connection, where what was sent behind a commit waits for it. */
class Turn {
  private readonly timeline: Timeline;
  private readonly waiting: (() => void)[] = [];
  private since: number | null = null;
  private total = 0;

  constructor(timeline: Timeline) {
    this.timeline = timeline;
  }

  take(then: () => void): void {
    if (this.since === null) {
      this.since = this.timeline.now;
      then();
    } else this.waiting.push(then);
  }

  give(): void {
    this.total += this.timeline.now - (this.since ?? this.timeline.now);
    const next = this.waiting.shift();
    this.since = next === undefined ? null : this.timeline.now;
    next?.();
  }

  heldUs(): number {
    return this.total + (this.since === null ? 0 : this.timeline.now - this.since);
  }
}

interface Operation {
  readonly begunAt: number;
  left: number;
}

class SimulatedNode {
  readonly main: Thread;
  private readonly beside: Thread;
  private readonly world: World;
  private readonly connection: Turn;
  private readonly backend: Thread;
  private readonly readers: Thread;
  /** null = those who ask have machines of their own. */
  private readonly load: Thread | null;
  private waiting: Operation[] = [];
  /** Flushes sent and not answered: one, or one behind another's commit. */
  private underWay = 0;
  private isScheduled = false;
  /** An operation's work on the main thread, in as many pieces as it has waits, and one. */
  private readonly pieceUs: number;

  constructor(world: World, own: Cores, ofDatabase: Cores, shared: Cores | null) {
    this.world = world;
    this.main = new Thread(own);
    this.beside = new Thread(own);
    this.connection = new Turn(world.timeline);
    this.backend = new Thread(ofDatabase);
    this.readers = new Thread(ofDatabase);
    this.load = shared === null ? null : new Thread(shared);
    this.pieceUs = world.costs.nodeUs / (world.costs.transactions + 1);
  }

  begin(): void {
    const { world, load } = this;
    const { costs, timeline } = world;
    const arrive = () => {
      const operation = { begunAt: timeline.now, left: costs.transactions };
      this.beside.do(world.about(costs.besideUs), () => {});
      this.read(() => this.main.do(world.about(this.pieceUs), () => this.write(operation)));
    };
    if (load === null || costs.loadUs === 0) arrive();
    else load.do(world.about(costs.loadUs), arrive);
  }

  private read(then: () => void): void {
    const { readsUs } = this.world.costs;
    if (readsUs === 0) then();
    else this.readers.do(this.world.about(readsUs), then);
  }

  private write(operation: Operation): void {
    this.waiting.push(operation);
    if (this.underWay > 0) return;
    if (this.waiting.length >= flushBesideMin) this.flush();
    else this.schedule();
  }

  /** After everything that the event loop has before it. */
  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.main.do(0, () => {
      this.isScheduled = false;
      if (this.underWay === 0) this.flush();
    });
  }

  private flush(): void {
    this.underWay++;
    const { world, main, connection } = this;
    const { costs, layout, timeline, turn } = world;
    const batch = this.waiting.splice(0, flushTransactionsMax);
    const arrive = () => connection.take(() => turn.take(() => this.carry(batch)));
    const send = () => timeline.after(layout.roundTripUs / 2, arrive);
    main.doNext(world.about(costs.nodeFlushUs), send);
  }

  /** What the database does once the flush has the turn. */
  private carry(batch: readonly Operation[]): void {
    const { world, main, connection } = this;
    const { costs, layout, timeline, turn } = world;
    const oneWayUs = layout.roundTripUs / 2;
    const commit = () =>
      timeline.after(world.about(costs.walUs), () => {
        turn.give();
        connection.give();
        world.flushes++;
        timeline.after(oneWayUs, () => main.do(0, () => this.settle(batch)));
      });
    const sendCommit = () => {
      timeline.after(oneWayUs, commit);
      if (this.waiting.length >= flushBehindMin) this.flush();
    };
    const written = () => {
      if (layout.trips === 1) commit();
      else timeline.after(oneWayUs, () => main.do(secondPacketUs, sendCommit));
    };
    this.backend.do(world.about(costs.turnFlushUs + costs.turnUs * batch.length), written);
  }

  private settle(batch: readonly Operation[]): void {
    this.underWay--;
    // Before anybody is answered, so that the database is at work meanwhile.
    if (this.waiting.length > 0 && this.underWay === 0) this.flush();
    for (const operation of batch) this.main.do(this.world.about(this.pieceUs), () => this.goOn(operation));
  }

  private goOn(operation: Operation): void {
    if (--operation.left > 0) {
      this.write(operation);
      return;
    }
    this.world.done++;
    this.world.latencies.push(this.world.timeline.now - operation.begunAt);
    this.begin();
  }
}
