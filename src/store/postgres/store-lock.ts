import type { Connection } from "./connection.ts";
import type { OwnStatements } from "./own-statements.ts";

/** Runs `body` in a transaction of its own under the lock that every flush takes: nothing is committed meanwhile. */
export async function underStoreLock<T>(
  connection: Connection,
  own: OwnStatements,
  body: () => Promise<T>,
): Promise<T> {
  try {
    await connection.run([own.open(false)]);
    const value = await body();
    await connection.run([{ text: "SET LOCAL statement_timeout = 0; COMMIT" }]);
    return value;
  } catch (thrown) {
    if (!connection.isLost) await connection.runEach([{ text: "ROLLBACK" }]);
    throw thrown;
  }
}
