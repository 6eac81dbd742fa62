import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Used } from "./child.ts";
import { Child } from "./child.ts";
import { perOperation, row } from "./machine.ts";
import type { Phase } from "./waiting-programs.ts";
import { RestateEngine } from "./restate.ts";

export interface WaitingReport {
  readonly ready: Used;
  readonly park: Used;
  readonly idle: Used;
  readonly approve: Used;
  readonly resume: Used;
}

/** As an idle node is measured: it has given back what starting left behind. */
const settledMs = 3_000;

/**
 * Calls that wait for people: how long it takes to park them all, what they cost while they wait, and how long until all are approved
 * and all have run. `idleMs`: more than a minute contains one round of all housekeeping.
 */
export async function waiting(
  workspace: (name: string) => string,
  { count, idleMs }: { readonly count: number; readonly idleMs: number },
) {
  const policies = join(workspace("policies"), "asks.cedar");
  writeFileSync(
    policies,
    `permit(principal is Agent, action == Action::"call", resource);
@id("asks") @approve("group=finance expiry=24h") forbid(principal, action == Action::"call", resource);
`,
  );
  const journal = await measured(
    await Child.start("waiting-programs.ts", "journal", workspace("waiting-journal")),
    count,
    idleMs,
  );
  const bank = await Child.start("bank.ts");
  const node = await measured(
    await Child.start("waiting-programs.ts", "node", workspace("waiting-node"), String(bank.said), policies),
    count,
    idleMs,
  );
  await bank.end();
  const restate = await RestateEngine.measure(workspace("waiting-restate"), {
    kind: "waiting",
    count,
    idleMs,
  });
  const report = { count, journal, node, restate };
  print(report);
  return report;
}

async function measured(child: Child, count: number, idleMs: number): Promise<WaitingReport> {
  const phase = (name: Phase) => child.ask({ phase: name, count }) as Promise<Used>;
  const idle = (ms: number) => child.ask({ idleMs: ms }) as Promise<Used>;
  const ready = await idle(settledMs);
  const park = await phase("park");
  const parked = await idle(idleMs);
  const approve = await phase("approve");
  const resume = await phase("resume");
  await child.end();
  return { ready, park, idle: parked, approve, resume };
}

function print({ count, journal, node, restate }: Awaited<ReturnType<typeof waiting>>): void {
  console.log(`\n(b) ${count} calls that wait for approval`);
  row("", ["plain journal", "node", "Restate"], "goal");
  const cells = (of: (each: WaitingReport) => string) => [
    of(journal),
    of(node),
    restate === null ? "-" : restate.kind === "waiting" ? of(restate.report) : "-",
  ];
  const phase = (which: Phase) =>
    cells((each) => `${(each[which].ms / 1000).toFixed(2)} s, ${perOperation(each[which].cpuMs, count)}`);
  row("park all", phase("park"), "1 s");
  row("approve all", phase("approve"));
  row("resume all", phase("resume"), "2 s");
  row(
    "idle CPU",
    cells(({ idle }) => `${((idle.cpuMs / idle.ms) * 100).toFixed(2)} %`),
    "1.5 %",
  );
  const mib = (name: string, of: (each: WaitingReport) => number, goal = "") =>
    row(
      name,
      cells((each) => `${of(each).toFixed(0)} MiB`),
      goal,
    );
  mib("RSS before", ({ ready }) => ready.rssMiB);
  mib("RSS parked", ({ idle }) => idle.rssMiB, "150 MB");
  mib("RSS at the end", ({ resume }) => resume.rssMiB);
  row(
    "memory per parked run",
    cells(({ ready, idle }) => `${(((idle.rssMiB - ready.rssMiB) * 1024) / count).toFixed(1)} KiB`),
  );
}
