import type { Postgres } from "../../test/fixtures/postgres.ts";
import { Child } from "../runs/child.ts";
import type { Mark } from "../runs/steps-programs.ts";
import type { LoadWishes, Sample } from "./calls.ts";
import { pause, sumOf } from "./calls.ts";
import type { Cost } from "./cost.ts";
import { costOf } from "./cost.ts";
import { Database } from "./database.ts";

/** Over all processes: as many as the goal speaks of, however many share them. */
const inFlightInAll = 1_000;
/** So few make small flushes: what a flush costs by itself, and what each step, follow from the two together. */
const inFlightFew = 32;

/** Local steps over the room alone, in 1, 2 and 4 processes on one database; beside a bare journal of as many processes. */
export async function steps(
  cluster: Postgres,
  workspace: (name: string) => string,
  wishes: LoadWishes,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const startRoom = (database: string) =>
    Child.start("steps-programs.ts", "room", workspace(`room-${rooms++}`), database);
  let rooms = 0;
  const few = await measure(cluster, wishes, { count: 1, inFlight: inFlightFew }, startRoom);
  samples.push({
    ...few,
    what: "step",
    nodes: 1,
    inFlight: inFlightFew,
    p50Ms: null,
    p99Ms: null,
    rulerPerSecond: Number.NaN,
  });
  for (const count of wishes.nodeCounts) {
    const inFlight = Math.floor(inFlightInAll / count);
    const bare = await measure(cluster, wishes, { count, inFlight }, (database) =>
      Child.start("../cluster/journal.ts", database),
    );
    const room = await measure(cluster, wishes, { count, inFlight }, startRoom);
    samples.push({
      ...room,
      what: "step",
      nodes: count,
      inFlight,
      p50Ms: null,
      p99Ms: null,
      rulerPerSecond: bare.perSecond,
    });
  }
  return samples;
}

async function measure(
  cluster: Postgres,
  { seconds, warmUpSeconds }: LoadWishes,
  { count, inFlight: each }: { readonly count: number; readonly inFlight: number },
  start: (database: string) => Promise<Child>,
): Promise<{ operations: number; perSecond: number; cost: Cost }> {
  const database = await Database.on(cluster);
  const children: Child[] = [];
  for (let at = 0; at < count; at++) children.push(await start(database.url));
  await Promise.all(children.map((child) => child.ask({ start: { inFlight: each, stepsPerRun: 500 } })));
  await pause(warmUpSeconds);
  const marks = () => Promise.all(children.map((each) => each.ask({}) as Promise<Mark>));
  const { cost, result } = await costOf(database, { nodes: children.map(({ pid }) => pid) }, async () => {
    const from = await marks();
    await pause(seconds);
    return (await marks()).map((to, i) => ({
      steps: to.steps - (from[i]?.steps ?? 0),
      ms: to.atMs - (from[i]?.atMs ?? 0),
    }));
  });
  await Promise.all(children.map((each) => each.kill9()));
  await database.drop();
  return {
    operations: sumOf(result.map((each) => each.steps)),
    perSecond: sumOf(result.map((each) => (each.steps / each.ms) * 1000)),
    cost,
  };
}
