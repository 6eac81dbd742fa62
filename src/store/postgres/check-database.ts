import { Connection } from "./connection.ts";
import { unavailable } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { clientConfig, isLoopback } from "./options.ts";

/** What an operator should know about a database before trusting it. `isGood` false = a promise of ours does not hold with it. */
export interface PostgresFinding {
  readonly check: "server" | "durability" | "standby" | "encryption";
  readonly isGood: boolean;
  readonly detail: string;
}

/** For `doctor`. Rejects with Fault `store-unavailable` when the database cannot be reached. */
export async function checkPostgres(options: PostgresConnection): Promise<readonly PostgresFinding[]> {
  let connection: Connection | null = null;
  try {
    connection = await Connection.open(options);
    const [settings] = await connection.rows(
      `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), pg_is_in_recovery()`,
    );
    const [version, fsync, pages, commit, standbys, isStandby] = settings as [
      string,
      string,
      string,
      string,
      string,
      boolean,
    ];
    return [
      finding(
        "server",
        !isStandby,
        `PostgreSQL ${version}${isStandby ? ", a standby: it takes no writes" : ""}`,
      ),
      finding(
        "durability",
        fsync === "on" && pages === "on",
        `fsync is ${fsync}, full_page_writes is ${pages}`,
      ),
      await standbyFinding(connection, commit, standbys),
      encryptionFinding(options),
    ];
  } catch (thrown) {
    throw unavailable(thrown);
  } finally {
    await connection?.close();
  }
}

/** Without a synchronous standby, a failover may lose what was acknowledged in the last moments. */
async function standbyFinding(
  connection: Connection,
  commit: string,
  standbys: string,
): Promise<PostgresFinding> {
  if (standbys === "") {
    return finding(
      "standby",
      false,
      "no synchronous standby (synchronous_standby_names is empty): a failover may lose acknowledged entries; runs are then held for review",
    );
  }
  if (commit === "off" || commit === "local") {
    return finding(
      "standby",
      true,
      `${standbys}; this node asks for synchronous commits (the default is ${commit})`,
    );
  }
  const rows = await connection.rows(
    `SELECT count(*)::int4, count(*) FILTER (WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming')::int4, count(*) FILTER (WHERE sync_state IS NULL)::int4 FROM pg_stat_replication`,
  );
  const [all = 0, synchronous = 0, hidden = 0] = (rows[0] ?? []) as number[];
  if (synchronous > 0) return finding("standby", true, `${synchronous} synchronous of ${all} standbys`);
  if (hidden > 0)
    return finding(
      "standby",
      true,
      `${standbys}; which of ${all} is synchronous this role may not see (pg_monitor)`,
    );
  return finding("standby", false, `${standbys} is asked for, and none is connected: commits wait`);
}

function encryptionFinding(options: PostgresConnection): PostgresFinding {
  const { host = "", ssl } = clientConfig(options);
  const isVerified = typeof ssl === "object" && ssl.rejectUnauthorized === true;
  if (isVerified) return finding("encryption", true, "TLS, and the certificate must name the host");
  if (isLoopback(host)) return finding("encryption", true, "loopback");
  return finding(
    "encryption",
    false,
    `${typeof ssl === "object" ? "TLS without a look at the certificate" : "no TLS"} to ${host}`,
  );
}

const finding = (check: PostgresFinding["check"], isGood: boolean, detail: string): PostgresFinding => ({
  check,
  isGood,
  detail,
});
