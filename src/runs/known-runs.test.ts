import { expect, test } from "vitest";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";

/** Two nodes on one database; the first one knows the run, because it has recorded a step in it. */
async function twoNodes(): Promise<{ here: RunsWorld; there: RunsWorld }> {
  const here = await openRuns();
  const there = await openRuns({ clock: here.clock, database: here.database, seed: "there" });
  await value(here.runs.attach(agent, "trip", { deadlineMs: null }));
  await value(here.runs.record(agent, { name: "trip", attempt: 1 }, step("first", 1)));
  return { here, there };
}

const step = (key: string, output: unknown) =>
  ({ key, kind: "value", input: null, output, note: null }) as const;
const first = { name: "trip", attempt: 1 };

test("a step of a known run is on record, and its second time gives the first one back", async () => {
  const { here, there } = await twoNodes();
  expect(await value(here.runs.record(agent, first, step("second", 2)))).toMatchObject({
    output: 2,
    wasRecorded: false,
  });
  expect(await value(here.runs.record(agent, first, step("second", 3)))).toMatchObject({
    output: 2,
    wasRecorded: true,
  });
  await value(there.runs.record(agent, first, step("third", 4)));
  expect(await value(here.runs.record(agent, first, step("third", 5)))).toMatchObject({
    output: 4,
    wasRecorded: true,
  });
  const other = { ...step("third", 4), kind: "model" } as const;
  expect(await here.runs.record(agent, first, other)).toMatchObject({ refusal: { code: "step-mismatch" } });
});

test("what another node has done to a known run is found out by the write, and told as it is", async () => {
  const { here, there } = await twoNodes();
  await value(there.runs.attach(agent, "trip", { deadlineMs: null }));
  expect(await here.runs.record(agent, first, step("late", 1))).toMatchObject({
    refusal: { code: "stale-attempt" },
  });
  const second = { name: "trip", attempt: 2 };
  await value(here.runs.record(agent, second, step("second", 2)));
  await value(there.runs.end(agent, second, { state: "finished", result: null }));
  expect(await here.runs.record(agent, second, step("late", 1))).toMatchObject({
    refusal: { code: "run-ended" },
  });
});

test("a run that is known for one agent is not found by another", async () => {
  const { here } = await twoNodes();
  expect(await here.runs.record(otherAgent, first, step("second", 2))).toMatchObject({
    refusal: { code: "not-found" },
  });
});
