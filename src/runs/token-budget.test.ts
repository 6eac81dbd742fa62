import { expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { decisionWrites } from "./escalations.ts";
import { forkRun } from "./fork.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";
import { signalWrites } from "./signals.ts";

const speaker = { name: "r", attempt: 1 };
const person = { ...agent, id: "person/p" as never, kind: "person", name: "p" } as const;

async function office(tokensMax: number | null) {
  const world = await openRuns();
  const { runs } = world;
  await value(runs.attach(agent, "r", { deadlineMs: null, tokensMax }));
  const model = (key: string, tokens: number, output: unknown = key) =>
    runs.record(agent, speaker, { key, kind: "model", input: null, output, note: null, tokens });
  const found = () => value(runs.find(agent, "r"));
  const look = (key: string, kind: "model" | "value" = "model") =>
    runs.lookUp(agent, speaker, { key, kind, input: null });
  return { ...world, model, found, look };
}

test("what models' answers use is counted with them, each once, also when many come at once", async () => {
  const { model, found } = await office(null);
  const keys = Array.from({ length: 40 }, (_, n) => `m-${n}`);
  const all = await Promise.all([...keys, ...keys].map((key) => model(key, 10)));
  expect(all.every(({ ok }) => ok)).toBe(true);
  expect(await found()).toMatchObject({ tokensUsed: 400, tokensMax: null });
});

test("the answer that uses the last is recorded, and the next one refused before it is asked for, and after", async () => {
  const { model, found, look } = await office(100);
  await value(model("a", 99));
  await value(look("b"));
  await value(model("b", 51));
  expect(await found()).toMatchObject({ tokensUsed: 150, tokensMax: 100 });
  const refused = {
    refusal: { code: "token-budget-exhausted", evidence: { tokensUsed: 150, tokensMax: 100 } },
  };
  expect(await look("c")).toMatchObject(refused);
  expect(await model("c", 1)).toMatchObject(refused);
  // What is on record is given back all the same, and nothing but models is asked for tokens.
  expect(await value(model("b", 51))).toMatchObject({ wasRecorded: true });
  expect(await value(look("b"))).toMatchObject({ output: "b" });
  expect(await value(look("d", "value"))).toBeNull();
});

test("a budget is heard when the run is made, and an agent does not raise it", async () => {
  const { runs, found } = await office(100);
  await value(runs.attach(agent, "r", { deadlineMs: null, tokensMax: 1_000_000 }));
  expect(await found()).toMatchObject({ attempt: 2, tokensMax: 100 });
});

test("a person who is asked raises it in the transaction of the signal; nobody else does, and to nothing smaller", async () => {
  const { runs, model, found, store, ...house } = await office(100);
  await value(model("a", 100));
  const escalation = { about: "tokens", reason: "used up" } as const;
  const noHold = { holdMs: 0, signal: new AbortController().signal };
  const wait = { key: "b.tokens-1", signal: "go-on.b", timeoutMs: 1_000, escalation };
  const waited = () => value(runs.wait(agent, speaker, wait, noHold));
  expect(await waited()).toMatchObject({ state: "waiting" });
  const run: RunRecord = await found();
  expect(await runs.standing(run, await store.now())).toMatchObject([{ kind: "signal", escalation }]);
  const decide = (payload: unknown, actor: Parameters<typeof decisionWrites>[0] = person) =>
    decisionWrites(actor, run, "go-on.b", payload);
  for (const payload of [
    null,
    "raise",
    { do: "compact" },
    { do: "raise" },
    { do: "raise", tokensMax: 100 },
    { do: "raise", tokensMax: 1.5 },
  ])
    expect(decide(payload)).toMatchObject({ refusal: { code: "invalid-params" } });
  const raise = { do: "raise", tokensMax: 150 };
  expect(decide(raise, agent)).toMatchObject({ refusal: { code: "forbidden" } });
  expect(decide({ do: "end" }, agent)).toEqual({ ok: true, value: [] });
  expect(decisionWrites(person, run, "another", raise)).toEqual({ ok: true, value: [] });
  const decided = decide(raise);
  const signalled = await value(
    signalWrites(run, "go-on.b", raise, { ...house, store, random: seededRandom("signal") }),
  );
  await store.commit([...(decided.ok ? decided.value : []), ...signalled]);
  expect(await found()).toMatchObject({ tokensUsed: 100, tokensMax: 150 });
  expect(await waited()).toMatchObject({ state: "taken", payload: raise });
  await value(model("b", 10));
});

test("a fork may use as many as its origin, from where it forks", async () => {
  const { model, found, store, runs, ...house } = await office(100);
  await value(model("a", 100));
  const wishes = { name: "again", from: null, hook: null };
  const forked = await value(
    forkRun(agent, agent, await found(), wishes, { ...house, store, random: seededRandom("fork") }),
  );
  await store.commit(forked.writes);
  expect(await value(runs.find(agent, "again"))).toMatchObject({ tokensUsed: 0, tokensMax: 100 });
});

test("a turn that found no room stands where its answer would, whichever of the two is asked for or sent again", async () => {
  const { runs, model, look } = await office(null);
  const exhausted = { needed: 9, limit: 8, way: "compact" };
  const step = { key: "a", kind: "exhausted", input: null, output: exhausted, note: null } as const;
  await value(runs.record(agent, speaker, step));
  expect(await value(look("a"))).toMatchObject({ kind: "exhausted", output: exhausted });
  expect(await value(model("a", 5))).toMatchObject({ kind: "exhausted", wasRecorded: true });
  await value(model("b", 5));
  expect(await value(runs.record(agent, speaker, { ...step, key: "b" }))).toMatchObject({ kind: "model" });
  expect(await look("a", "value")).toMatchObject({ refusal: { code: "step-mismatch" } });
});
