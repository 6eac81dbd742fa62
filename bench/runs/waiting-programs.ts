import { systemClock } from "../../src/base/index.ts";
import type { Store } from "../../src/store/index.ts";
import {
  append,
  insert,
  integer,
  keyedTable,
  logTable,
  loadPostgres,
  openSqliteStore,
  text,
  update,
} from "../../src/store/index.ts";
import type { Used } from "./child.ts";
import { serve, startMeter } from "./child.ts";
import { loadNode } from "./load-node.ts";

/**
 * What waiting.ts measures, each in a process of its own:
 * `node bench/runs/waiting-programs.ts journal <directory> | node <directory> <port of the bank> <policies>`, each with the url of a database
 * as a last argument if the data is to be there.
 */
export type Phase = "park" | "approve" | "resume";

/** As many at once as a busy node has; each then takes the next one. */
const atOnce = 500;

export type Phases = Readonly<Record<Phase, (i: number) => Promise<void>>>;

const rowText = JSON.stringify({
  v: 1,
  kind: "intent",
  tenant: "default",
  subject: "srv_1/pay",
  at: 1,
  pad: "x".repeat(500),
});

/** The floor: the same number of rows through the same group commit, and nothing else. */
async function startJournal(directory: string, database: string): Promise<Phases> {
  const entries = logTable({
    name: "entry",
    columns: { id: text, tenant: text, leaf: text },
    id: "id",
    partition: "tenant",
  });
  const waiting = keyedTable({
    name: "waiting",
    columns: { id: text, state: text, at: integer },
    key: ["id"],
  });
  const opened = { tables: [entries, waiting], clock: systemClock };
  const store =
    database === ""
      ? openSqliteStore({ ...opened, directory })
      : (await loadPostgres()).openPostgresStore({ ...opened, connection: { url: database } });
  await store.start();
  const done = async (transaction: Parameters<Store["commit"]>[0]) => {
    if ((await store.commit(transaction)).verdict !== "done") throw new Error("guard failed");
  };
  const entry = (i: number, n: number) =>
    append(entries, { id: `${i}:${n}`, tenant: "default", leaf: rowText });
  const moved = (i: number, to: string, from: string) =>
    update(waiting, { id: `${i}` }, { state: to }, { state: from });
  return {
    park: (i) => done([entry(i, 0), insert(waiting, { id: `${i}`, state: "pending", at: i })]),
    approve: (i) => done([entry(i, 1), moved(i, "approved", "pending")]),
    resume: async (i) => {
      await done([entry(i, 2), moved(i, "dispatched", "approved")]);
      await done([entry(i, 3), moved(i, "done", "dispatched")]);
    },
  };
}

async function startPhases(
  directory: string,
  echoPort: number,
  policies: string,
  database: string,
): Promise<Phases> {
  const { startNode } = await loadNode();
  const running = await startNode({
    directory,
    port: 0,
    upstreamPort: echoPort,
    toolClass: "effect",
    policies,
    ...(database === "" ? {} : { database }),
  });
  const { phasesOf } = await import("./waiting-node.ts");
  return phasesOf(running);
}

async function run(each: (i: number) => Promise<void>, count: number): Promise<Used> {
  const used = startMeter();
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return used();
}

const [kind, directory = "", port = "", policies = "", database = ""] = process.argv.slice(2);
const phases =
  kind === "journal"
    ? await startJournal(directory, database)
    : await startPhases(directory, Number(port), policies, database);
if (kind === "journal") process.on("disconnect", () => process.exit(0));
serve("ready", async (asked: { phase: Phase; count: number } | { idleMs: number }): Promise<Used> => {
  if ("phase" in asked) return run(phases[asked.phase], asked.count);
  const used = startMeter();
  await new Promise((resolve) => setTimeout(resolve, asked.idleMs));
  return used();
});
