/**
 * The capacity model of docs/operate/capacity.md: takes what `npm run bench -- cluster --save` has measured, has a simulation of flushes and their
 * turns give the rates that were measured, says how far off it is, and then asks it for more.
 *
 *     npm run bench -- capacity [--seed 7] [--calls 100000] [--runs 1000000] [--parked 0.9] [--every 30]
 *
 * --every: a run that is not parked makes a step each so many seconds.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Sample } from "./cluster/calls.ts";
import { costsOf, databaseUsOf, flushCostsOf, nodeUsOf } from "./cluster/costs.ts";
import type { ParkedReport } from "./cluster/parked.ts";
import type { Costs, Layout } from "./cluster/turns.ts";
import { simulate } from "./cluster/turns.ts";
import { row } from "./runs/machine.ts";

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: "7" },
    calls: { type: "string", default: "100000" },
    runs: { type: "string", default: "1000000" },
    parked: { type: "string", default: "0.9" },
    every: { type: "string", default: "30" },
  },
});
const seed = Number(given.seed);

interface Saved {
  readonly envelope: {
    readonly before: { readonly cores: number; readonly at: string; readonly load: readonly number[] };
  };
  readonly results: {
    readonly calls: readonly Sample[];
    readonly steps: readonly Sample[];
    readonly parked: ParkedReport;
  };
}

// The one cast for a file that bench/cluster.ts wrote.
const saved = JSON.parse(readFileSync(new URL("results/cluster.json", import.meta.url), "utf8")) as Saved;
const { calls, steps, parked } = saved.results;
// The first is the one with small flushes.
const [few, ...room] = steps as readonly [Sample, ...Sample[]];
const flush = flushCostsOf(few, room[0] as Sample);

/** Assumptions of the predictions; each has its sentence in docs/operate/capacity.md. */
const assumed = {
  /** Of what a core, or the turn, can do at most. */
  fill: 0.7,
  coresOfNode: 2,
  coresOfDatabase: 16,
  roundTripUs: 300,
  walUs: 1_000,
  inFlight: 256,
} as const;

console.log(
  `measured ${saved.envelope.before.at}, load ${saved.envelope.before.load.join(" ")}; seed ${seed}; a flush by itself: ${flush.nodeUs.toFixed(0)} us of a node's main thread, ${flush.databaseUs.toFixed(0)} us of the database`,
);
reproduce("local steps over the room", room);
for (const what of ["read", "effect", "step"] as const)
  reproduce(
    `${what}, over HTTP`,
    calls.filter((sample) => sample.what === what),
  );
limits();
predict();

/** The simulation on what the machine had left for us, with the costs of each sample, and with those of the first alone. */
function reproduce(title: string, samples: readonly Sample[]): void {
  console.log(`\n${title}`);
  row(
    "",
    samples.map(({ nodes }) => `${nodes} nodes`),
  );
  const layoutOf = ({ nodes, inFlight, cost }: Sample): Layout => ({
    nodes,
    inFlight,
    cores: { shared: Math.max(0.1, saved.envelope.before.cores - cost.othersCores) },
    roundTripUs: 60, // loopback
    trips: 2,
  });
  const error = (found: number, sample: Sample) =>
    `${found.toFixed(0)} (${(((found - sample.perSecond) / sample.perSecond) * 100).toFixed(0)} %)`;
  const own = samples.map((sample) => simulate(costsOf(sample, flush), layoutOf(sample), seed));
  const first = samples.map((sample) => {
    const { walUs, loadUs } = costsOf(sample, flush);
    return simulate({ ...costsOf(samples[0] as Sample, flush), walUs, loadUs }, layoutOf(sample), seed);
  });
  row(
    "measured per second",
    samples.map(({ perSecond }) => perSecond.toFixed(0)),
  );
  row(
    "simulated, its own costs",
    own.map(({ perSecond }, i) => error(perSecond, samples[i] as Sample)),
  );
  row(
    "simulated, costs of one node",
    first.map(({ perSecond }, i) => error(perSecond, samples[i] as Sample)),
  );
  row(
    "turn held: measured, simulated",
    samples.map(
      ({ cost }, i) =>
        `${(cost.turn.isHeld * 100).toFixed(0)} %, ${((own[i]?.turnHeld ?? 0) * 100).toFixed(0)} %`,
    ),
  );
}

/** How far one database goes when nobody else is on its machine, by nodes; what a slower commit does, and what one round trip less would. */
function limits(): void {
  console.log("\none database, machines of their own: per second, the turn's share, flushes per second");
  const counts = [1, 2, 4, 8, 16, 32];
  row(
    "",
    counts.map((nodes) => `${nodes} nodes`),
  );
  for (const [name, costs] of kinds())
    for (const [way, change, other] of [
      ["", {}, {}],
      [", commit 5 ms", { walUs: 5_000 }, {}],
      [", if a flush were one trip", {}, { trips: 1 }],
    ] as const)
      row(
        name + way,
        counts.map((nodes) => {
          const found = simulate({ ...costs, ...change }, { ...layoutOf(nodes), ...other }, seed, 2);
          return `${found.perSecond.toFixed(0)}, ${(found.turnHeld * 100).toFixed(0)} %, ${found.flushesPerSecond.toFixed(0)}`;
        }),
      );
}

function predict(): void {
  const wantedCalls = Number(given.calls);
  const openRuns = Number(given.runs);
  const share = Number(given.parked);
  const stepsWanted = (openRuns * (1 - share)) / Number(given.every);
  const perDay = 86_400;
  console.log(
    `\n${wantedCalls} calls/s, and ${openRuns} open runs of which ${share * 100} % are parked (${stepsWanted.toFixed(0)} steps/s)`,
  );
  row("", ["per second", "nodes", "databases", "cores of them", "WAL MB/s", "GB/day", "flushes/s each"]);
  for (const [name, costs, sample] of kinds()) {
    const wanted = name === "step over the room" ? stepsWanted : wantedCalls;
    const limit = largest(costs);
    const databases = Math.max(1, Math.ceil(wanted / (limit.perSecond * assumed.fill)));
    row(name, [
      wanted.toFixed(0),
      Math.ceil((wanted * nodeUsOf(sample)) / 1e6 / assumed.fill).toFixed(0),
      databases.toFixed(0),
      Math.ceil((wanted * databaseUsOf(sample)) / 1e6 / assumed.fill).toFixed(0),
      ((wanted * sample.cost.walBytes) / sample.operations / 1e6).toFixed(0),
      ((wanted * perDay * Math.max(0, sample.cost.databaseBytes)) / sample.operations / 1e9).toFixed(0),
      limit.flushesPerSecond.toFixed(0),
    ]);
  }
  const { node, count } = parked;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const kib = ((node.idle.used.rssMiB - node.ready.used.rssMiB) * 1024) / count;
  console.log(
    `parked runs: ${gib(openRuns * share * (node.park.cost.databaseBytes / count))} of database; ${kib.toFixed(1)} KiB each stayed with the node that parked them`,
  );
}

/** Where more nodes bring less than a twentieth more. */
function largest(costs: Costs): { perSecond: number; flushesPerSecond: number } {
  let best = simulate(costs, layoutOf(1), seed, 2);
  for (let nodes = 2; nodes <= 64; nodes *= 2) {
    const next = simulate(costs, layoutOf(nodes), seed, 2);
    const isEnough = next.perSecond < best.perSecond * 1.05;
    if (next.perSecond > best.perSecond) best = next;
    if (isEnough) break;
  }
  return best;
}

function layoutOf(nodes: number): Layout {
  const { inFlight, coresOfNode, coresOfDatabase, roundTripUs } = assumed;
  return {
    nodes,
    inFlight,
    cores: { ofNode: coresOfNode, ofDatabase: coresOfDatabase },
    roundTripUs,
    trips: 2,
  };
}

/** Each kind of operation with its costs at one node, where the least of them is other people's waiting. */
function kinds(): readonly (readonly [string, Costs, Sample])[] {
  const at = (samples: readonly Sample[]) => samples[0] as Sample;
  const named = [
    ["call of class read", at(calls.filter(({ what }) => what === "read"))],
    ["call of class effect", at(calls.filter(({ what }) => what === "effect"))],
    ["step over the room", at(room)],
  ] as const;
  return named.map(([name, sample]) => [
    name,
    { ...costsOf(sample, flush), walUs: assumed.walUs, loadUs: 0 },
    sample,
  ]);
}
