import { Fault } from "../../base/index.ts";
import type { Connection } from "./connection.ts";
import { timelineExpression } from "./own-statements.ts";

const versionMin = 150_000;

export interface ServerTraits {
  /** Whether a commit waits for the disk (and the standby) without being told to. */
  readonly isSynchronous: boolean;
  /** Some managed and distributed databases do not say. */
  readonly canReadTimeline: boolean;
}

/** Looks at the server behind a new connection. Throws Fault when it is not one to write to. */
export async function traitsOf(connection: Connection): Promise<ServerTraits> {
  const [row] = await connection.rows(
    `SELECT pg_is_in_recovery(), current_setting('server_version_num'), current_setting('server_encoding'), current_setting('synchronous_commit')`,
  );
  const [isStandby, versionText, encoding, synchronous] = row as [boolean, string, string, string];
  if (isStandby) throw refused("the database is a standby, which takes no writes", "later");
  if (Number(versionText) < versionMin)
    throw refused(`PostgreSQL is of version ${versionText}; at least 15`, "never");
  if (encoding !== "UTF8") throw refused(`the database is encoded in ${encoding}; it must be UTF8`, "never");
  return {
    isSynchronous: synchronous !== "off" && synchronous !== "local",
    canReadTimeline: await saysTimeline(connection),
  };
}

async function saysTimeline(connection: Connection): Promise<boolean> {
  try {
    await connection.rows(`SELECT ${timelineExpression}`);
    return true;
  } catch (thrown) {
    if (connection.isLost) throw thrown;
    return false;
  }
}

const refused = (message: string, retry: "later" | "never"): Fault =>
  new Fault("store-unavailable", message, { effect: "none", retry });
