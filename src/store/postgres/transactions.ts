import type { Connection, Statement } from "./connection.ts";
import type { OwnStatements } from "./own-statements.ts";

/** Runs `body` in a transaction of its own under the lock that every flush takes: nothing is committed meanwhile. */
export function underStoreLock<T>(
  connection: Connection,
  own: OwnStatements,
  body: () => Promise<T>,
): Promise<T> {
  return inTransaction(connection, own.open(false), "SET LOCAL statement_timeout = 0; COMMIT", body);
}

/**
 * Runs `body` in a transaction of its own that waits for no table longer than `lockMs`: whoever waits for one makes everybody behind wait.
 * What it throws then is `isLockedOut`.
 */
export function briefly<T>(connection: Connection, lockMs: number, body: () => Promise<T>): Promise<T> {
  const opening = [{ text: "BEGIN" }, { text: `SELECT set_config('lock_timeout', '${lockMs}', true)` }];
  return inTransaction(connection, opening, "COMMIT", body);
}

async function inTransaction<T>(
  connection: Connection,
  opening: readonly Statement[],
  commit: string,
  body: () => Promise<T>,
): Promise<T> {
  try {
    await connection.run(opening);
    const value = await body();
    await connection.run([{ text: commit }]);
    return value;
  } catch (thrown) {
    if (!connection.isLost) await connection.runEach([{ text: "ROLLBACK" }]);
    throw thrown;
  }
}
