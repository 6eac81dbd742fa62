import { describe, test } from "vitest";
import { playSeeds } from "../../src/calls/simulation-seeds.fixture.ts";
import { inParts, seedsAsked, seedsAtLength } from "../fixtures/seeds.ts";

const seeds = seedsAsked({ first: 1_001, count: seedsAtLength() });

describe("whatever happens to two nodes, their servers and the people who are asked", () => {
  test.each(inParts(seeds, 100))(
    "every promise of the governed call holds, for $count seeds from $first",
    { timeout: 1_200_000 },
    playSeeds,
  );
});
