import type { Clock, MonotonicMs } from "../../base/index.ts";
import { Fault, delay, elapsedMs, msOf, plusMs } from "../../base/index.ts";
import { refuseVersion } from "../data-version.ts";
import type { Absent } from "../given-up.ts";
import { givesUpColumns, pruned, tablesWithout } from "../given-up.ts";
import type { FlushAnswer, Proof, Request, Writer } from "../request.ts";
import { Committing } from "./committing.ts";
import { Connection } from "./connection.ts";
import { isGone, isRetryable, isServerGoing, unavailable } from "./failure.ts";
import { CommitInDoubt, Flusher, Interrupted, Overtaken } from "./flusher.ts";
import type { FlusherOptions, Load } from "./flusher.ts";
import { hasSession } from "./options.ts";
import type { PostgresConnection } from "./options.ts";
import { OwnStatements } from "./own-statements.ts";
import type { ServerTraits } from "./server-traits.ts";
import { traitsOf } from "./server-traits.ts";
import { absentIn, prepareSchema, versionOf } from "./schema.ts";
import { Registration } from "./registration.ts";
import type { EpochChange } from "./registration.ts";

/** A flush that met a deadlock or a lock that was not to be had is carried again. */
const attemptsMax = 4;
/** First pause after a connection could not be made; doubled up to the second. Who asks meanwhile hears so at once. */
const pauseMs = 50;
const pauseMsMax = 2_000;
/** For so long those who wait for a commit whose answer was lost are kept waiting while it is looked up. */
const lookUpMs = 10_000;

export interface PostgresWriterOptions extends Pick<FlusherOptions, "tables" | "names" | "announcement"> {
  readonly connection: PostgresConnection;
  readonly clock: Clock;
  readonly dataVersion: number;
  readonly writer: string;
  /** Store time by our clock instead of the database's: for tests. */
  readonly isOurTime: boolean;
  readonly onEpoch: (change: EpochChange) => void;
}

/**
 * Carries flushes over one connection and makes a new one when it is lost. What was in flight before its commit was sent has not
 * happened; after that it is looked up: the flush counted up this writer's row, and that stands or does not.
 */
export class PostgresWriter implements Writer {
  private readonly options: PostgresWriterOptions;
  private readonly registration: Registration;
  private connection: Connection | null = null;
  private connecting: Promise<Connection> | null = null;
  private failures = 0;
  private notBefore: MonotonicMs | null = null;
  private lastFailure: unknown = null;
  private flusher: Flusher | null = null;
  /** Of what was given up; grows when the data is contracted while we work. */
  private absent: Absent = new Map();
  private readonly mayShrink: boolean;
  /** The newest flush whose commit was sent, until its callers know; null = there is none. */
  private committing: Committing | null = null;
  /** Resolves once what was sent behind a commit holds nothing in the connection any more. */
  private behind: Promise<unknown> = Promise.resolve();
  private isStopped = false;
  private death: Fault | null = null;

  constructor(options: PostgresWriterOptions) {
    this.options = options;
    this.registration = new Registration(options.names, options.writer, options.onEpoch);
    this.mayShrink = [...options.tables.values()].some(givesUpColumns);
  }

  get deadBecause(): Fault | null {
    return this.death;
  }

  get epoch(): number {
    return this.registration.epoch;
  }

  /** After everything this turn of the event loop brings: what arrives together is flushed together. */
  soon(action: () => void): void {
    setImmediate(action);
  }

  async start(): Promise<void> {
    const { connection: at, names, tables, dataVersion } = this.options;
    try {
      await prepareSchema(() => Connection.open(at), names, [...tables.values()], dataVersion);
      const connection = await this.connected();
      await this.registration.enter(connection, this.own(), this.wallMs());
      // Whoever contracted the data before it could see us among the writers has said so by now.
      const version = await versionOf(connection, names);
      if (version !== null) refuseVersion(version, dataVersion);
    } catch (thrown) {
      await this.stop();
      throw unavailable(thrown);
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    const { connection } = this;
    this.connection = null;
    if (connection === null) return;
    if (!connection.isLost && this.death === null) await this.registration.leave(connection).catch(() => {});
    await connection.close();
  }

  async flush(
    requests: readonly Request[],
    proof: Proof | null,
    onCommitting: () => void = () => {},
  ): Promise<FlushAnswer> {
    const over = Promise.withResolvers<void>();
    let mine: Committing | null = null;
    const attempt = (before: Committing | null) =>
      this.attempt(requests, proof, before, (connection, flush) => {
        const isFirst = mine === null;
        this.committing = mine = new Committing(connection, flush, over.promise);
        if (isFirst) onCommitting();
        return mine;
      });
    try {
      return await this.patiently(attempt);
    } finally {
      if (this.committing === mine) this.committing = null;
      over.resolve();
    }
  }

  /** Attempts it until it is carried, or has failed for good. */
  private async patiently(carry: (before: Committing | null) => Promise<FlushAnswer>): Promise<FlushAnswer> {
    let before = this.committing;
    for (let attempt = 1; ; attempt++) {
      if (this.death !== null) throw this.death;
      try {
        const carried = carry(before);
        if (before !== null) this.behind = carried.catch(() => {});
        return await carried;
      } catch (thrown) {
        await this.behind;
        if (thrown instanceof CommitInDoubt) return this.lookUp(thrown);
        if (thrown instanceof Interrupted) await this.meetOtherDatabase();
        else if (await this.isWithoutNow(thrown)) attempt = 0;
        else if (!(thrown instanceof Overtaken) && !isRetryable(thrown)) throw this.failed(thrown);
        if (attempt === attemptsMax) throw this.failed(thrown);
        await before?.isOver;
        before = null;
      }
    }
  }

  /** `before`: what it is sent behind. `begin` is called when its own commit was sent. */
  private async attempt(
    requests: readonly Request[],
    proof: Proof | null,
    before: Committing | null,
    begin: (connection: Connection, flush: number) => Committing,
  ): Promise<FlushAnswer> {
    const connection = await this.connected();
    if (before !== null && before.connection !== connection) throw new Overtaken();
    if (before === null && this.registration.isInDoubt) await this.settle(connection);
    const { flusher } = this;
    if (flusher === null) throw new Fault("shutting-down", "the store is not open");
    const standing = this.registration.standing(before?.flush ?? null);
    let committing: Committing | null = null;
    const load: Load = {
      requests: pruned(requests, this.absent),
      proof,
      standing,
      wallMs: this.wallMs(),
      before: before?.isAcknowledged ?? null,
      onCommitting: () => (committing = begin(connection, standing.next)),
    };
    const polled = await flusher.poll(connection, load);
    if (polled !== null) return polled;
    const acknowledge = (isAcknowledged: boolean) => committing?.acknowledge(isAcknowledged);
    try {
      const { answer, committedIn } = await flusher.carry(connection, load);
      if (committedIn !== null) this.registration.acknowledged(standing.next, committedIn, answer.storeNowMs);
      acknowledge(true);
      return answer;
    } catch (thrown) {
      if (thrown instanceof CommitInDoubt) this.registration.doubt(standing.next);
      acknowledge(false);
      throw thrown;
    }
  }

  /** What was to be answered, if the commit stands; else a Fault that says it does not, or that nobody can say in time. */
  private async lookUp(doubt: CommitInDoubt): Promise<FlushAnswer> {
    const { clock } = this.options;
    const since = clock.monotonic();
    for (;;) {
      try {
        const stands = await this.settle(await this.connected());
        if (stands) return doubt.answer;
        throw new Fault(
          "store-unavailable",
          "the connection was lost before a commit, which did not happen",
          {
            effect: "none",
            cause: doubt.cause,
          },
        );
      } catch (thrown) {
        if (!this.registration.isInDoubt || this.death !== null) throw thrown;
        if (elapsedMs(clock.monotonic(), since) > lookUpMs || this.isStopped)
          throw unavailable(doubt.cause, "unknown");
        await delay(clock, pauseMs);
      }
    }
  }

  private async settle(connection: Connection): Promise<boolean> {
    try {
      return await this.registration.settle(connection, this.own(), this.wallMs());
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === "lease-lost") throw this.die(thrown);
      throw this.failed(thrown);
    }
  }

  /** Another timeline, or a database that has lost what this writer was told. */
  private async meetOtherDatabase(): Promise<void> {
    let lost: Fault | null;
    try {
      const connection = await this.connected();
      lost = await this.registration.meet(connection, this.own(), this.wallMs());
    } catch (thrown) {
      throw this.failed(thrown);
    }
    if (lost !== null) throw this.die(lost);
  }

  private die(fault: Fault): Fault {
    this.death ??= fault;
    return this.death;
  }

  /** A server that goes down, or that takes no writes any more, is left. */
  private failed(thrown: unknown): Fault {
    if (thrown instanceof Error && thrown.name === "InvariantError") throw thrown; // a bug of ours, not the database's
    if (isServerGoing(thrown)) {
      void this.connection?.close();
      this.connection = null;
    }
    return unavailable(thrown);
  }

  private async connected(): Promise<Connection> {
    const { connection } = this;
    if (connection !== null && !connection.isLost) return connection;
    if (this.isStopped) throw new Fault("shutting-down", "the store is stopping");
    if (this.connecting !== null) return this.connecting;
    const { clock } = this.options;
    if (this.notBefore !== null && elapsedMs(this.notBefore, clock.monotonic()) > 0) {
      throw unavailable(this.lastFailure);
    }
    this.connecting = this.connect();
    try {
      return await this.connecting;
    } catch (thrown) {
      this.lastFailure = thrown;
      const pause = Math.min(pauseMsMax, pauseMs * 2 ** Math.min(10, this.failures++));
      this.notBefore = plusMs(clock.monotonic(), pause);
      throw unavailable(thrown);
    } finally {
      this.connecting = null;
    }
  }

  private async connect(): Promise<Connection> {
    const connection = await Connection.open(this.options.connection);
    try {
      await this.makeFlusher(connection, await traitsOf(connection));
    } catch (thrown) {
      await connection.close();
      throw thrown;
    }
    this.failures = 0;
    this.notBefore = null;
    this.connection = connection;
    return connection;
  }

  private async makeFlusher(connection: Connection, traits: ServerTraits): Promise<void> {
    const { tables, names, announcement } = this.options;
    this.absent = await absentIn(connection, names, [...tables.values()]);
    // Where commits have to be told to wait, each is: that must not rest on nobody having put a pooler between.
    const isOurs = hasSession(this.options.connection) && traits.isSynchronous;
    if (isOurs) await connection.run([OwnStatements.settings()]);
    const own = new OwnStatements(names, traits.canReadTimeline, isOurs);
    this.flusher = new Flusher({
      tables: tablesWithout(tables, this.absent),
      names,
      own,
      isSynchronous: traits.isSynchronous,
      mayShrink: this.mayShrink,
      announcement,
    });
  }

  /** The data was contracted while we work: a flush named what is not there any more, and goes again without. */
  private async isWithoutNow(thrown: unknown): Promise<boolean> {
    if (!this.mayShrink || !isGone(thrown)) return false;
    const before = columnsIn(this.absent);
    const connection = await this.connected();
    await this.makeFlusher(connection, await traitsOf(connection));
    return columnsIn(this.absent) > before;
  }

  private own(): OwnStatements {
    return this.flusher?.own ?? new OwnStatements(this.options.names, false);
  }

  private wallMs(): number | null {
    return this.options.isOurTime ? msOf(this.options.clock.wall()) : null;
  }
}

const columnsIn = (absent: Absent): number => [...absent.values()].reduce((sum, { size }) => sum + size, 0);
