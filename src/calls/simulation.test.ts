import { describe, expect, test } from "vitest";
import { simulate } from "./simulation.fixture.ts";

/**
 * Whole lives of a node on a simulated disk and clock, with servers that answer well, badly, late or never. A seed plays the same
 * life each time; a failing one is replayed alone with SIM_SEED, and SIM_SEEDS sets how many are played.
 */
const only = process.env["SIM_SEED"];
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(process.env["SIM_SEEDS"] ?? 15) : 1;

describe("whatever happens to a node", () => {
  test(`every promise of the governed call holds, for ${count} seeds`, { timeout: 600_000 }, async () => {
    let results = 0;
    let held = 0;
    for (let seed = first; seed < first + count; seed++) {
      const seen = await simulate(seed);
      results += seen.results;
      held += seen.held;
      expect(
        seen.problems,
        `replay with: SIM_SEED=${seed} npx vitest run src/calls/simulation.test.ts`,
      ).toEqual([]);
    }
    // A simulation in which nothing happens proves nothing.
    expect(results).toBeGreaterThan(count);
    expect(held).toBeGreaterThan(count);
  });
});
