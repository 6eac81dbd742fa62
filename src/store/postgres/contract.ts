import { Fault, unreachable } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import type { Contraction, ContractOrder, Present } from "../contraction.ts";
import { contractionOf } from "../contraction.ts";
import { dataVersionOf } from "../data-version.ts";
import type { Remnant } from "../given-up.ts";
import { leaseTable, metaTable } from "../own-tables.ts";
import type { Table } from "../table.ts";
import { Connection } from "./connection.ts";
import { isLockedOut, unavailable } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { schemaDefault } from "./options.ts";
import { OwnStatements, databaseClock, writerTable } from "./own-statements.ts";
import { columnsOf, takeTurn, versionOf } from "./schema.ts";
import { Names, quoted } from "./sql.ts";
import { briefly, underStoreLock } from "./transactions.ts";
import { versionOfWriter } from "./writer-id.ts";

/** What is removed needs its table for an instant. */
const lockMs = 200;
const pauseSeconds = 0.5;
/** A minute and more: a backup that reads the table may end meanwhile. */
const attemptsMax = 100;

export interface PostgresContractOrder extends ContractOrder {
  /** A node that has written nothing for so long has lost its lease, or loses it here. */
  readonly leaseMs: number;
}

/**
 * Removes what code of this version has given up, beside the nodes of this version that are at work. Refused with `conflict` while an
 * older one is. From its first step on older code is refused; the rest is one small step each, and one that fails leaves those after it for
 * the next time.
 */
export async function contractPostgres(
  at: PostgresConnection,
  order: PostgresContractOrder,
): Promise<Contraction> {
  const names = new Names(at.schema ?? schemaDefault);
  const opened: Connection[] = [];
  const open = async () => {
    const connection = await Connection.open(at);
    opened.push(connection);
    return connection;
  };
  try {
    if (!order.isDry) await takeTurn(await open(), names); // nobody widens the tables meanwhile
    return await contract(await open(), names, order);
  } catch (thrown) {
    throw unavailable(thrown);
  } finally {
    for (const connection of opened) await connection.close();
  }
}

async function contract(
  connection: Connection,
  names: Names,
  { tables, isDry, leaseMs, onRemoved }: PostgresContractOrder,
): Promise<Contraction> {
  const found = await looked(connection, names, [...tablesByName(tables).values()]);
  const older = await olderNodes(connection, names, found.readerMinAfter, leaseMs);
  const contraction = { ...found, olderNodes: older.live };
  if (isDry || found.remnants.length === 0) return contraction;
  await refuseOlder(connection, names, found.readerMinAfter, leaseMs);
  for (const remnant of found.remnants) {
    await remove(connection, names, remnant);
    onRemoved?.(remnant);
  }
  return contraction;
}

async function looked(
  connection: Connection,
  names: Names,
  tables: readonly Table[],
): Promise<Omit<Contraction, "olderNodes">> {
  const found = await versionOf(connection, names);
  if (found === null)
    throw new Fault("not-found", `there is no data in schema ${names.schema} of this database`);
  const columns = new Map<string, ReadonlySet<string>>();
  for (const { name } of tables) columns.set(name, await columnsOf(connection, names, name));
  const rows = await connection.rows(`SELECT indexname::text FROM pg_indexes WHERE schemaname = $1`, [
    names.schema,
  ]);
  const present: Present = { columns, indexes: new Set((rows as [string][]).map(([name]) => name)) };
  return contractionOf(found, dataVersionOf(tables), tables, present);
}

/** Writers of code below this version: those at work, and those that fell silent without a goodbye. */
async function olderNodes(
  connection: Connection,
  names: Names,
  readerMin: number,
  leaseMs: number,
): Promise<{ readonly live: number; readonly silent: number }> {
  const rows = await connection.rows(
    `SELECT id, at > ${databaseClock} - $1::int8 FROM ${names.of(writerTable)}`,
    [String(leaseMs)],
  );
  const older = (rows as [string, boolean][]).filter(([id]) => versionOfWriter(id) < readerMin);
  const live = older.filter(([, isLive]) => isLive).length;
  return { live, silent: older.length - live };
}

/**
 * From here on older code does not start. Under the store's lock: whoever enters as a writer before is seen here, and whoever enters later
 * sees what is written here. An older node that was only asleep loses its lease, so that it writes nothing when it wakes up.
 */
async function refuseOlder(
  connection: Connection,
  names: Names,
  readerMin: number,
  leaseMs: number,
): Promise<void> {
  await underStoreLock(connection, new OwnStatements(names, false), async () => {
    const { live, silent } = await olderNodes(connection, names, readerMin, leaseMs);
    if (live > 0)
      throw new Fault(
        "conflict",
        `${live} ${live === 1 ? "node of an older version is" : "nodes of an older version are"} at work on this database: replace ${live === 1 ? "it" : "them"} first`,
        { effect: "none", evidence: { olderNodes: live } },
      );
    if (silent > 0)
      await connection.run([
        {
          text: `UPDATE ${names.of(leaseTable.name)} SET fence = fence + 1 WHERE "expiresAt" BETWEEN 1 AND (SELECT value FROM ${names.of(metaTable.name)} WHERE name = 'storeTime')`,
        },
      ]);
    await connection.run([
      {
        text: `UPDATE ${names.of(metaTable.name)} SET value = greatest(value, $1::int8) WHERE name = 'readerMin'`,
        values: [String(readerMin)],
      },
    ]);
  });
}

async function remove(connection: Connection, names: Names, remnant: Remnant): Promise<void> {
  const { kind, table, name } = remnant;
  switch (kind) {
    case "index":
      // Waits for those who use it, and holds up nobody.
      await connection.run([{ text: `DROP INDEX CONCURRENTLY IF EXISTS ${names.of(`${table}.${name}`)}` }]);
      return;
    case "column":
      return patiently(
        connection,
        remnant,
        `ALTER TABLE ${names.of(table)} DROP COLUMN IF EXISTS ${quoted(name)}`,
      );
    case "table":
      return patiently(connection, remnant, `DROP TABLE IF EXISTS ${names.of(name)}`);
    default:
      return unreachable(kind);
  }
}

async function patiently(connection: Connection, remnant: Remnant, text: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await briefly(connection, lockMs, async () => void (await connection.run([{ text }])));
    } catch (thrown) {
      if (!isLockedOut(thrown)) throw thrown;
      if (attempt === attemptsMax)
        throw new Fault(
          "store-busy",
          `somebody has been reading table ${remnant.table} all the time, a backup perhaps: try again later`,
          { effect: "none", cause: thrown },
        );
      await connection.run([{ text: `SELECT pg_sleep(${pauseSeconds})` }]);
    }
  }
}
