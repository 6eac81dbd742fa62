import { invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { KeyedTable } from "../table.ts";
import type { Write } from "../transaction.ts";
import { ordinals } from "./array.ts";
import { columnOf } from "./batch.ts";
import type { Outcome, Statement } from "./connection.ts";
import { fulfilled } from "./connection.ts";
import { decodeValue, longColumn } from "./encode.ts";
import { takerText, tableOf } from "./segments.ts";
import type { Names } from "./sql.ts";
import { getManyStatement } from "./sql.ts";

/** Asks which rows have taken one of the keys that inserts want. */
export interface LookUp {
  readonly statement: Statement;
  readonly table: KeyedTable;
  readonly key: string;
  /** In the order of the ordinals. */
  readonly inserts: readonly Write[];
}

/** One for each key that a row may hold. */
export function lookUpsOf(tables: TablesByName, names: Names, inserts: readonly Write[]): readonly LookUp[] {
  const byTable = Map.groupBy(inserts, (write) => tableOf(tables, write));
  return [...byTable].flatMap(([table, inserts]) => {
    invariant(table.shape === "keyed", `an insert into log ${table.name}`);
    const keys = { key: table.key, ...table.unique };
    return Object.entries(keys).map(([key, columns]) => {
      const text = getManyStatement(names, table, table.key, columns, new Set([...table.key, longColumn]));
      const values = columns.map((name) => {
        const type = table.columns[name]?.type ?? "text";
        return columnOf({ name, type, part: "row", isIndexed: true }, inserts, []);
      });
      const all = [ordinals(inserts.length), ...values];
      return { statement: { text, values: all, isKept: true }, table, key, inserts };
    });
  });
}

/** Of each insert the rows that are in its way, as `freedBy` names those that are taken out of it. */
export function takersOf(
  lookUps: readonly LookUp[],
  answers: readonly PromiseSettledResult<Outcome>[],
): ReadonlyMap<Write, readonly string[]> {
  const takers = new Map<Write, string[]>();
  for (const [i, { table, key, inserts }] of lookUps.entries()) {
    for (const insert of inserts) if (!takers.has(insert)) takers.set(insert, []);
    for (const [ordinal, ...row] of fulfilled(answers[i]).rows) {
      const long = (row[table.key.length] ?? null) as string | null;
      const values = table.key.map((column, at) =>
        decodeValue(table.columns[column]?.type ?? "text", column, row[at], long),
      );
      takers.get(inserts[(ordinal as number) - 1] as Write)?.push(takerText(table, key, values));
    }
  }
  return takers;
}
