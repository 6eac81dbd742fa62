import { test } from "vitest";
import { seedsAsked } from "../../test/fixtures/seeds.ts";
import { playDrivenSeeds } from "./driven-simulation.fixture.ts";

/** More of them are played by test/simulation/runs.int.ts. */
const seeds = seedsAsked({ first: 1, count: 10 });

test(
  `whatever dies, every run is driven on, and no living worker loses its run, for ${seeds.count} seeds`,
  { timeout: 600_000 },
  () => playDrivenSeeds(seeds),
);
