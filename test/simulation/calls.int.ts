import { describe, test } from "vitest";
import type { Seeds } from "../../src/calls/simulation-seeds.fixture.ts";
import { playSeeds, seedsAsked } from "../../src/calls/simulation-seeds.fixture.ts";

/** `npm test` plays 200 lives; SIM_NIGHTLY=1 plays ten thousand, which takes an hour. */
const isNightly = process.env["SIM_NIGHTLY"] === "1";
const { first, count } = seedsAsked({ first: 1_001, count: isNightly ? 10_000 : 200 });
const perTest = 100;

const chunks: Seeds[] = [];
for (let at = 0; at < count; at += perTest)
  chunks.push({ first: first + at, count: Math.min(perTest, count - at) });

describe("whatever happens to two nodes, their servers and the people who are asked", () => {
  test.each(chunks)(
    "every promise of the governed call holds, for $count seeds from $first",
    { timeout: 1_200_000 },
    playSeeds,
  );
});
