import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Postgres } from "../../test/fixtures/postgres.ts";
import type { Used } from "../runs/child.ts";
import { Child } from "../runs/child.ts";
import { perOperation, row } from "../runs/machine.ts";
import type { Phase } from "../runs/waiting-programs.ts";
import type { Cost } from "./cost.ts";
import { costOf } from "./cost.ts";
import { Database } from "./database.ts";

interface Measured {
  /** Of the process itself. */
  readonly used: Used;
  readonly cost: Cost;
}

type Which = "ready" | "idle" | Phase;
type Phases = Readonly<Record<Which, Measured>>;

export interface ParkedReport {
  readonly count: number;
  readonly node: Phases;
  readonly journal: Phases;
}

/** So long a node without anything to do is watched, and the bare journal while its rows wait. */
const readyMs = 5_000;

/** As `bench -- runs --only b`, on PostgreSQL. */
export async function parked(
  cluster: Postgres,
  workspace: (name: string) => string,
  { count, idleMs }: { readonly count: number; readonly idleMs: number },
): Promise<ParkedReport> {
  const policies = join(workspace("parked-policies"), "asks.cedar");
  writeFileSync(
    policies,
    `permit(principal is Agent, action == Action::"call", resource);
@id("asks") @approve("group=finance expiry=24h") forbid(principal, action == Action::"call", resource);
`,
  );
  const journal = await measured(cluster, { count, idleMs: 1_000 }, (url) =>
    Child.start("waiting-programs.ts", "journal", workspace("parked-journal"), "", "", url),
  );
  const bank = await Child.start("bank.ts");
  const node = await measured(cluster, { count, idleMs }, (url) =>
    Child.start("waiting-programs.ts", "node", workspace("parked-node"), String(bank.said), policies, url),
  );
  await bank.end();
  const report = { count, node, journal };
  print(report);
  return report;
}

async function measured(
  cluster: Postgres,
  { count, idleMs }: { readonly count: number; readonly idleMs: number },
  start: (url: string) => Promise<Child>,
): Promise<Phases> {
  const database = await Database.on(cluster);
  const child = await start(database.url);
  const one = async (asked: Readonly<Record<string, unknown>>): Promise<Measured> => {
    const { cost, result } = await costOf(
      database,
      { nodes: [child.pid] },
      () => child.ask(asked) as Promise<Used>,
    );
    return { used: result, cost };
  };
  const ready = await one({ idleMs: Math.min(idleMs, readyMs) });
  const park = await one({ phase: "park", count });
  const idle = await one({ idleMs });
  const approve = await one({ phase: "approve", count });
  const resume = await one({ phase: "resume", count });
  await child.end();
  await database.drop();
  return { ready, park, idle, approve, resume };
}

function print({ count, node, journal }: ParkedReport): void {
  console.log(`\n(d) ${count} calls that wait for approval, on PostgreSQL`);
  row("", ["store alone", "node", "PostgreSQL with the node"], "goal");
  const phase = (which: Phase) => [
    ...[journal, node].map(
      (of) => `${(of[which].used.ms / 1000).toFixed(2)} s, ${perOperation(of[which].used.cpuMs, count)}`,
    ),
    perOperation(node[which].cost.postgresCores * node[which].cost.ms, count),
  ];
  row("park all", phase("park"), "4 s");
  row("approve all", phase("approve"));
  row("resume all", phase("resume"), "6 s");
  const wal = (which: Phase) =>
    [journal, node].map((of) => `${(of[which].cost.walBytes / count).toFixed(0)} bytes`);
  row("WAL each, parking", wal("park"));
  row("WAL each, resuming", wal("resume"));
  const idle = (which: "ready" | "idle") => [
    ...[journal, node].map((of) => `${((of[which].used.cpuMs / of[which].used.ms) * 100).toFixed(2)} %`),
    `${(node[which].cost.postgresCores * 100).toFixed(2)} %`,
  ];
  row("idle CPU of a core, before", idle("ready"));
  row("idle CPU of a core, parked", idle("idle"), "1.5 %");
  const mib = (which: Which) => [journal, node].map((of) => `${of[which].used.rssMiB.toFixed(0)} MiB`);
  row("RSS before", mib("ready"));
  row("RSS parked", mib("idle"));
  row(
    "database, each parked",
    [journal, node].map((of) => `${(of.park.cost.databaseBytes / count / 1024).toFixed(1)} KiB`),
  );
  row(
    "WAL/s while idle",
    [journal, node].map((of) => `${((of.idle.cost.walBytes / of.idle.cost.ms) * 1000).toFixed(0)} bytes`),
  );
}
