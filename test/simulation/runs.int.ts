import { describe, test } from "vitest";
import { playDrivenSeeds } from "../../src/runs/driven-simulation.fixture.ts";
import { inParts, seedsAsked, seedsAtLength } from "../fixtures/seeds.ts";

const seeds = seedsAsked({ first: 1_001, count: seedsAtLength() });

describe("whatever dies of three nodes and the agents they drive", () => {
  test.each(inParts(seeds, 100))(
    "every run is driven on, and no living worker loses its run, for $count seeds from $first",
    { timeout: 1_200_000 },
    playDrivenSeeds,
  );
});
