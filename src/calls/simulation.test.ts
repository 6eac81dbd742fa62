import { describe, test } from "vitest";
import { seedsAsked } from "../../test/fixtures/seeds.ts";
import { playSeeds } from "./simulation-seeds.fixture.ts";

/**
 * Whole lives of two nodes on a simulated disk and clock, with servers that answer well, badly, late or never, and people who say yes,
 * no, or nothing. A seed plays the same life each time. More of them are played by test/simulation/calls.int.ts.
 */
const seeds = seedsAsked({ first: 1, count: 10 });

describe("whatever happens to a node", () => {
  test(`every promise of the governed call holds, for ${seeds.count} seeds`, { timeout: 600_000 }, () =>
    playSeeds(seeds),
  );
});
