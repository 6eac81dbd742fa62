import { explain } from "../../base/index.ts";
import type { PostgresFinding } from "../../store/index.ts";
import { loadPostgres } from "../../store/index.ts";
import type { PostgresSettings } from "../config/postgres.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, odd } from "./finding.ts";
import { connectionOf } from "../data/open-store.ts";

/** What to do about a database that keeps one of our promises from holding. */
const advice = {
  server: "Point data.postgres at the primary, not at a standby.",
  durability: "Turn both on: without them a crash of the database loses or damages what was acknowledged.",
  standby:
    "Set up a synchronous standby (or a managed equivalent), or accept that after a failover runs wait for a look.",
  encryption: "Use tls.mode verify-full.",
} as const satisfies Record<PostgresFinding["check"], string>;

/** Reaches the database of `data.postgres` and says which promises hold with it. Never throws. */
export async function checkDatabase(settings: PostgresSettings): Promise<readonly Finding[]> {
  try {
    const { checkPostgres } = await loadPostgres();
    const findings = await checkPostgres(connectionOf(settings));
    return findings.map(({ check, isGood, detail }) => {
      const id = `database-${check}`;
      if (isGood) return fine(id, detail);
      return check === "server" ? failed(id, detail, advice[check]) : odd(id, detail, advice[check]);
    });
  } catch (thrown) {
    return [
      failed(
        "database-server",
        `the database cannot be used: ${explain(thrown)}`,
        "Look at data.postgres, and whether the database runs and lets this host in.",
      ),
    ];
  }
}
