import { expect, test } from "vitest";
import { inputStep } from "../../contract/index.ts";
import { seededRandom } from "../base/index.ts";
import { runsToWake } from "../ledger/index.ts";
import { outputBytesMax } from "./limits.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";
import { startRun } from "./start.ts";

const wishes = { hook: "a@1", name: "job", input: { b: 1, a: [2] }, deadlineMs: 60_000 } as const;

async function office() {
  const world = await openRuns();
  const house = { ...world, random: seededRandom("start") };
  return { ...world, start: (more: object = {}) => startRun(agent, { ...wishes, ...more }, house) };
}

test("a run that was started is due at once, and its input is a step of it from the beginning", async () => {
  const { store, runs, start } = await office();
  const { writes } = await value(start());
  expect((await store.commit(writes)).verdict).toBe("done");
  expect(await runsToWake(store, await store.now(), 9)).toMatchObject([
    { name: "job", hook: "a@1", attempt: 1, aliveUntil: null, starts: 0 },
  ]);
  const { run, isNew } = await value(runs.attach(agent, "job", { deadlineMs: null }));
  expect([run.attempt, isNew]).toEqual([2, false]);
  const speaker = { name: "job", attempt: 2 };
  const step = { key: inputStep, kind: "value", input: null } as const;
  expect(await value(runs.lookUp(agent, speaker, step))).toMatchObject({
    output: wishes.input,
    wasRecorded: true,
  });
});

test("two who start by one name at the same moment start one run, and a third is told so", async () => {
  const { store, start } = await office();
  const both = [await value(start()), await value(start())];
  const verdicts = await Promise.all(both.map(({ writes }) => store.commit(writes)));
  expect(verdicts.map(({ verdict }) => verdict).toSorted()).toEqual(["done", "guard-failed"]);
  expect(await start()).toMatchObject({
    refusal: { code: "conflict", detail: expect.stringContaining('a has a run "job"') as string },
  });
});

test("a run without a name is given one, and an input that is too large is refused", async () => {
  const { start } = await office();
  expect((await value(start({ name: null }))).run.name).toMatch(/^a-[0-9a-z]{12}$/);
  const refused = await start({ input: "x".repeat(outputBytesMax) });
  expect(refused).toMatchObject({ refusal: { code: "body-too-large" } });
});
