import BetterSqlite from "better-sqlite3";
import { expect, it } from "vitest";
import { listPlan } from "../check.ts";
import type { ListOptions } from "../store.ts";
import { integer, integerOrNull, keyedTable, logTable, text, textOrNull } from "../table.ts";
import { byIdStatement, createStatements, listStatement, logStatement, scanStatement } from "./sql.ts";

const jobs = keyedTable({
  name: "job",
  key: ["id"],
  indexes: {
    state: ["owner", "state", "id"],
    due: ["state", "dueAt"],
    parent: ["parent", "id"],
    children: ["parent", "end", "state"],
  },
  sparse: ["due", "parent", "children"],
  columns: {
    owner: text,
    id: text,
    state: text,
    dueAt: integerOrNull,
    parent: textOrNull,
    end: textOrNull,
    size: integer,
  },
});
const events = logTable({ name: "event", id: "id", partition: "owner", columns: { id: text, owner: text } });

const database = new BetterSqlite(":memory:");
for (const statement of [jobs, events].flatMap(createStatements)) database.exec(statement);

const plan = (sql: string): string => {
  const values = (sql.match(/\?/g) ?? []).map(() => "1");
  const rows = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(values);
  return rows.map(({ detail }) => detail).join("; ");
};
const inJobs = new Set(Object.keys(jobs.columns));
type Asked = Omit<ListOptions<typeof jobs.columns>, "limit">;

it.each<[Asked, string]>([
  [{ index: "key", after: "a" }, "USING PRIMARY KEY (id>?)"],
  [{ index: "state", equals: { owner: "o", state: "s" } }, "USING INDEX job.state (owner=? AND state=?)"],
  [
    { index: "due", equals: { state: "s" }, from: 0, upTo: 9 },
    "USING INDEX job.due (state=? AND dueAt>? AND dueAt<?)",
  ],
  [{ index: "parent", equals: { parent: "p" } }, "USING INDEX job.parent (parent=?)"],
  [{ index: "parent", equals: { parent: "p" }, after: "a" }, "USING INDEX job.parent (parent=? AND id>?)"],
  [
    { index: "children", equals: { parent: "p", end: "e", state: "s" } },
    "USING INDEX job.children (parent=? AND end=? AND state=?)",
  ],
])("%j is searched by its index, and nothing is sorted", (asked, expected) => {
  const options = { ...asked, limit: 1 };
  for (const isDescending of [false, true]) {
    const bounds = {
      nulls: Object.values(asked.equals ?? {}).map(() => false),
      after: asked.after !== undefined,
      from: asked.from !== undefined,
      upTo: asked.upTo !== undefined,
      isDescending,
    };
    const sql = listStatement(jobs, listPlan(jobs, options), bounds, inJobs);
    expect(plan(sql)).toBe(`SEARCH job ${expected}`);
  }
});

it("a log is searched by partition and cursor, or by id", () => {
  const present = new Set([...Object.keys(events.columns), "cursor"]);
  const searched = "SEARCH event USING INDEX event.";
  for (const isDescending of [false, true]) {
    const sql = logStatement(events, ["id"], isDescending, true, present);
    expect(plan(sql)).toBe(`${searched}partition (owner=? AND rowid${isDescending ? "<" : ">"}?)`);
  }
  expect(plan(byIdStatement(events, true, present))).toBe(`${searched}id (id>? AND id<?)`);
});

it("no statement that orders its rows binds a value bare: SQLite would plan it anew for each", () => {
  const options = { index: "due", equals: { state: "s" }, after: 1, from: 1, upTo: 2, limit: 1 };
  const bounds = { nulls: [false], after: true, from: true, upTo: true, isDescending: true };
  const present = new Set([...Object.keys(events.columns), "cursor"]);
  for (const sql of [
    listStatement(jobs, listPlan(jobs, options), bounds, inJobs),
    logStatement(events, ["id"], true, true, present),
    scanStatement(events, present),
    byIdStatement(events, true, present),
  ]) {
    expect(sql).toContain("ORDER BY");
    expect(sql.replaceAll("+?", "").replaceAll("CAST(? AS INTEGER)", "")).not.toContain("?");
  }
});
