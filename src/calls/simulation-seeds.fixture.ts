import { expect } from "vitest";
import type { Seeds } from "../../test/fixtures/seeds.ts";
import { simulate } from "./simulation.fixture.ts";

/** Plays the lives of these seeds, and demands that in none of them a promise was broken. */
export async function playSeeds({ first, count }: Seeds): Promise<void> {
  let [results, held, votes, takenOver] = [0, 0, 0, 0];
  const ways = new Set<string>();
  for (let seed = first; seed < first + count; seed++) {
    const replay = `replay with: SIM_SEED=${seed} npx vitest run src/calls/simulation.test.ts`;
    const seen = await simulate(seed).catch((thrown: unknown) => {
      throw new Error(replay, { cause: thrown });
    });
    expect(seen.problems, replay).toEqual([]);
    results += seen.results;
    held += seen.held;
    votes += seen.votes;
    takenOver += seen.takenOver;
    for (const way of seen.ways) ways.add(way);
  }
  // Lives in which nothing happens prove nothing; of one alone nothing is known.
  if (count < 10) return;
  expect(results).toBeGreaterThan(count);
  expect(held).toBeGreaterThan(count);
  expect(votes).toBeGreaterThan(count);
  expect(takenOver).toBeGreaterThan(0);
  expect([...ways].toSorted()).toEqual(["none", "person", "sent-again", "verify-tool"]);
}
