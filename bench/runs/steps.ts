import { Child } from "./child.ts";
import { perOperation, row } from "./machine.ts";
import { RestateEngine } from "./restate.ts";
import type { Drive, Mark } from "./steps-programs.ts";

export interface StepsWishes extends Drive {
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

export interface StepsReport {
  readonly steps: number;
  readonly runs: number;
  readonly ms: number;
  /** Of the process that keeps the journal; with `driverCpuMs`, that of the agents beside it. */
  readonly cpuMs: number;
  readonly driverCpuMs: number | null;
  readonly rssMiB: number;
}

/** Local steps that are on record, with so many runs in flight; each run is attached, done and ended, and the next one begun. */
export async function steps(workspace: (name: string) => string, wishes: StepsWishes) {
  const name = `steps-${wishes.stepsPerRun}`;
  const journal = await alone("journal", workspace(`${name}-journal`), wishes);
  const room = await alone("room", workspace(`${name}-room`), wishes);
  const http = await overHttp(workspace(`${name}-node`), wishes);
  const engine = await RestateEngine.measure(workspace(`${name}-restate`), { kind: "steps", ...wishes });
  const restate = engine?.kind === "steps" ? engine.report : null;
  const report = { wishes, journal, room, http, restate };
  print(report);
  return report;
}

async function alone(kind: "journal" | "room", directory: string, wishes: StepsWishes): Promise<StepsReport> {
  const driver = await Child.start("steps-programs.ts", kind, directory);
  const [from, to] = await marks(driver, wishes, () => driver.ask({}));
  await driver.kill9();
  return { ...between(from.driver, to.driver), driverCpuMs: null };
}

async function overHttp(directory: string, wishes: StepsWishes): Promise<StepsReport> {
  const node = await Child.start("steps-programs.ts", "node", directory);
  const { url, token } = node.said as { url: string; token: string };
  const driver = await Child.start("steps-programs.ts", "sdk", url, token);
  const [from, to] = await marks(driver, wishes, () => node.ask({}));
  await driver.kill9();
  await node.kill9();
  const { steps: count, runs, ms, cpuMs: driverCpuMs } = between(from.driver, to.driver);
  const { cpuMs, rssMiB } = between(from.journal, to.journal);
  return { steps: count, runs, ms, cpuMs, driverCpuMs, rssMiB };
}

/** Before and after the time that counts, of who drives and of who keeps the journal. */
async function marks(driver: Child, wishes: StepsWishes, ofJournal: () => Promise<unknown>) {
  const { inFlight, stepsPerRun, seconds, warmUpSeconds } = wishes;
  await driver.ask({ start: { inFlight, stepsPerRun } });
  await pause(warmUpSeconds);
  const both = async () => ({
    driver: (await driver.ask({})) as Mark,
    journal: (await ofJournal()) as Mark,
  });
  const from = await both();
  await pause(seconds);
  return [from, await both()] as const;
}

const between = (from: Mark, to: Mark) => ({
  steps: to.steps - from.steps,
  runs: to.runs - from.runs,
  ms: to.atMs - from.atMs,
  cpuMs: to.cpuMs - from.cpuMs,
  rssMiB: to.rssMiB,
});

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function print({ wishes, journal, room, http, restate }: Awaited<ReturnType<typeof steps>>): void {
  const { inFlight, stepsPerRun, seconds } = wishes;
  console.log(`\n(a) local steps, ${inFlight} runs in flight, ${stepsPerRun} steps each, ${seconds} s`);
  row("", ["plain journal", "room", "HTTP and SDK", "Restate"], "goal");
  const all = [journal, room, http, restate];
  const cells = (of: (each: StepsReport) => string) => all.map((each) => (each === null ? "-" : of(each)));
  const perSecond = ({ steps: count, ms }: StepsReport) => (count / ms) * 1000;
  row(
    "steps/s",
    cells((each) => perSecond(each).toFixed(0)),
    "60,000",
  );
  row(
    "÷ plain journal",
    cells((each) => (perSecond(each) / perSecond(journal)).toFixed(3)),
  );
  row(
    "÷ Restate",
    cells((each) => (restate === null ? "-" : (perSecond(each) / perSecond(restate)).toFixed(1))),
  );
  row(
    "CPU per step, journal's process",
    cells((each) => perOperation(each.cpuMs, each.steps)),
  );
  row(
    "CPU per step, the agents'",
    cells(({ driverCpuMs, steps: count }) => (driverCpuMs === null ? "-" : perOperation(driverCpuMs, count))),
  );
  row(
    "RSS",
    cells(({ rssMiB }) => `${rssMiB.toFixed(0)} MiB`),
  );
}
