import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { Postgres } from "../../test/fixtures/postgres.ts";
import type { PostgresCpu } from "./process-usage.ts";
import { postgresCpuMs } from "./process-usage.ts";

/** Non-default settings of the PostgreSQL that is measured; everything waits for its disk. */
export const postgresSettings = {
  shared_buffers: "512MB",
  max_wal_size: "8GB", // so that what is measured for seconds does not have the checkpoint of minutes in it
  track_wal_io_timing: "on",
  max_connections: "200",
} as const;

/** What the database has done since it was started. */
export interface DatabaseMark {
  readonly cpuMs: PostgresCpu;
  readonly walBytes: number;
  readonly walRecords: number;
  readonly walWrites: number;
  readonly walSyncs: number;
  readonly walSyncMs: number;
  /** Of all writers; 0 where there are no tables of ours. */
  readonly flushes: number;
  readonly rowsWritten: number;
  readonly bytes: number;
}

/** Looks at who has the turn, and at what that one waits for. */
export interface Turn {
  readonly looks: number;
  /** Shares of the looks, 0 to 1. */
  readonly isHeld: number;
  /** … while the holder works in the database. */
  readonly inDatabase: number;
  /** … while the holder waits for its node's next words. */
  readonly forNode: number;
  /** … while the holder waits for the WAL: its writing, its fsync, or its lock. */
  readonly forWal: number;
  readonly forOther: number;
  /** Flushes that wait for the turn, on average. */
  readonly waiting: number;
}

/** Ten milliseconds apart it would be 3 % of a core. */
const lookEveryMs = 50;

/** One database on a PostgreSQL of its own, and what it costs. */
export class Database {
  readonly url: string;
  readonly name: string;
  readonly cluster: Postgres;
  private readonly postmaster: number;

  private constructor(cluster: Postgres, url: string) {
    this.cluster = cluster;
    this.url = url;
    this.name = new URL(url).pathname.slice(1);
    this.postmaster = Number(
      readFileSync(join(cluster.directory, "data", "postmaster.pid"), "utf8").split("\n")[0],
    );
  }

  static start(): Promise<Postgres> {
    return Postgres.start({ settings: postgresSettings });
  }

  static async on(cluster: Postgres): Promise<Database> {
    return new Database(cluster, await cluster.createDatabase());
  }

  get processId(): number {
    return this.postmaster;
  }

  async drop(): Promise<void> {
    await this.cluster.dropDatabase(this.url);
  }

  async mark(): Promise<DatabaseMark> {
    const isOurs = await this.cluster.sql("SELECT to_regclass('signalbox.store_writer') AS it", this.name);
    const flushes =
      isOurs[0]?.["it"] === null ? "0" : "(SELECT coalesce(sum(flush), 0) FROM signalbox.store_writer)";
    const [row] = await this.cluster.sql(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS "walBytes", wal_records::float8 AS "walRecords", wal_write::float8 AS "walWrites",
         wal_sync::float8 AS "walSyncs", wal_sync_time AS "walSyncMs", ${flushes}::float8 AS flushes,
         (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::float8 FROM pg_stat_user_tables) AS "rowsWritten",
         pg_database_size(current_database())::float8 AS bytes
       FROM pg_stat_wal`,
      this.name,
    );
    return { ...(row as unknown as Omit<DatabaseMark, "cpuMs">), cpuMs: postgresCpuMs(this.postmaster) };
  }

  /** Watches the turn until the function that it answers with is called. */
  async watchTurn(): Promise<() => Promise<Turn>> {
    const client = new pg.Client({ connectionString: this.cluster.url(this.name, "postgres") });
    client.on("error", () => {}); // whatever ends the database is told by whoever was at work
    await client.connect();
    const seen = { looks: 0, isHeld: 0, inDatabase: 0, forNode: 0, forWal: 0, forOther: 0, waiting: 0 };
    const watch = { isOver: false };
    const look = async (): Promise<void> => {
      const { rows } = await client.query<{ granted: boolean; event: string | null }>(turnQuery);
      seen.looks++;
      seen.waiting += rows.filter(({ granted }) => !granted).length;
      const holder = rows.find(({ granted }) => granted);
      if (holder === undefined) return;
      seen.isHeld++;
      seen[placeOf(holder.event)]++;
    };
    const watching = (async () => {
      while (!watch.isOver) {
        await look();
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    })();
    return async () => {
      watch.isOver = true;
      await watching;
      await client.end();
      const share = (count: number) => count / Math.max(1, seen.looks);
      return {
        looks: seen.looks,
        isHeld: share(seen.isHeld),
        inDatabase: share(seen.inDatabase),
        forNode: share(seen.forNode),
        forWal: share(seen.forWal),
        forOther: share(seen.forOther),
        waiting: share(seen.waiting),
      };
    };
  }
}

const turnQuery = `SELECT l.granted, a.wait_event AS event FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

function placeOf(event: string | null): "inDatabase" | "forNode" | "forWal" | "forOther" {
  if (event === null) return "inDatabase";
  if (event === "ClientRead") return "forNode";
  return event.startsWith("WAL") ? "forWal" : "forOther";
}
