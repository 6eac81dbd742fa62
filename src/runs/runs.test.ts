import { describe, expect, test } from "vitest";
import type { Sha256Hex } from "../base/index.ts";
import { keyTables } from "../keys/index.ts";
import { Deadlines } from "./deadlines.ts";
import { deadlineMsMax, outputBytesMax, sleepMsMax } from "./limits.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";

const digest = (letter: string) => letter.repeat(64) as Sha256Hex;
const open = { deadlineMs: null } as const;
const first = { name: "nightly", attempt: 1 } as const;
const answer = {
  key: "ask",
  kind: "model",
  input: digest("a"),
  output: { text: "yes" },
  note: null,
} as const;
const { output: _output, note: _note, ...asked } = answer;

const codeOf = async (result: Promise<{ ok: boolean; refusal?: { code: string; detail: string } }>) =>
  (await result).refusal?.code ?? null;

describe("attaching", () => {
  test("makes the run once, and from then on raises its attempt", async () => {
    const { runs, entries } = await openRuns();
    const attached = await Promise.all([1, 2, 3].map(() => value(runs.attach(agent, "nightly", open))));
    expect(attached.map(({ isNew }) => isNew).filter(Boolean)).toHaveLength(1);
    expect(new Set(attached.map(({ run }) => run.run)).size).toBe(1);
    expect(attached.map(({ run }) => run.attempt).toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    expect((await entries()).map(({ entry }) => [entry.method, entry.versions["attempt"]])).toEqual([
      ["runs/attach", "1"],
      ["runs/attach", "2"],
      ["runs/attach", "3"],
    ]);
  });

  test("that loses to another leaves no key behind: a run's is made with it", async () => {
    const { runs, store } = await openRuns();
    await Promise.all([1, 2, 3].map(() => value(runs.attach(agent, "nightly", open))));
    const [scopeKeyTable] = keyTables;
    expect(await store.list(scopeKeyTable, { index: "key", limit: 9 })).toHaveLength(1);
  });

  test("of another principal leads to a run of its own, and never to this one", async () => {
    const { runs } = await openRuns();
    const mine = await value(runs.attach(agent, "nightly", open));
    expect(await codeOf(runs.find(otherAgent, "nightly"))).toBe("not-found");
    expect(await codeOf(runs.record(otherAgent, first, answer))).toBe("not-found");
    const theirs = await value(runs.attach(otherAgent, "nightly", open));
    expect(theirs.run.run).not.toBe(mine.run.run);
    expect(theirs.run.attempt).toBe(1);
  });

  /** Looks for overdue runs after each step of time. */
  const withDeadlines = async (world: Awaited<ReturnType<typeof openRuns>>) => {
    const deadlines = new Deadlines({
      ...world,
      random: { bytes: (count) => new Uint8Array(count) },
      nodeOf: () => agent,
      onTrouble: (doing, thrown) => expect.fail(`${doing}: ${String(thrown)}`),
    });
    deadlines.start();
    const stateAfter = async (ms: number) => {
      world.clock.advance(ms);
      await new Promise((resolve) => setImmediate(resolve));
      return (await value(world.runs.find(agent, "nightly"))).state;
    };
    return { stateAfter, stop: () => deadlines.stop() };
  };

  test("keeps the deadline of the first, and the run fails when it is open by then", async () => {
    const world = await openRuns();
    await value(world.runs.attach(agent, "nightly", { deadlineMs: 60_000 }));
    await value(world.runs.attach(agent, "nightly", { deadlineMs: 999_000 }));
    const { stateAfter, stop } = await withDeadlines(world);
    expect(await stateAfter(59_000)).toBe("open");
    await expect.poll(() => stateAfter(5_000)).toBe("failed");
    await stop();
    const end = await world.runs.endOf(await value(world.runs.find(agent, "nightly")));
    expect(end).toMatchObject({ state: "failed", reason: "its deadline passed", result: null });
  });

  test("without a deadline ends all the same, when the longest sleep would be over", async () => {
    const world = await openRuns();
    await value(world.runs.attach(agent, "nightly", open));
    const { stateAfter, stop } = await withDeadlines(world);
    expect(await stateAfter(sleepMsMax)).toBe("open");
    await expect.poll(() => stateAfter(deadlineMsMax)).toBe("failed");
    await stop();
  });
});

describe("a local step", () => {
  test("is not there before it is recorded, and then the same at every asking", async () => {
    const { runs, entries } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    expect(await value(runs.lookUp(agent, first, asked))).toBeNull();
    const output = { text: "yes", also: 1 };
    const made = await value(runs.record(agent, first, { ...answer, output }));
    expect(made).toMatchObject({ output, wasRecorded: false });
    const again = { ...made, wasRecorded: true };
    // To the letter: whoever makes a text of it must not see which attempt it was.
    expect(JSON.stringify(await value(runs.lookUp(agent, first, asked)))).toBe(JSON.stringify(again));
    expect(await value(runs.record(agent, first, { ...answer, output: "no" }))).toEqual(again);
    const steps = (await entries()).filter(({ entry }) => entry.kind === "step");
    expect(steps.map(({ entry }) => [entry.step, entry.method])).toEqual([["ask", "steps/model"]]);
  });

  test("recorded by many at once has one record, which all of them get", async () => {
    const { runs, entries } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    const got = await Promise.all(
      Array.from({ length: 6 }, (_, n) => value(runs.record(agent, first, { ...answer, output: n }))),
    );
    expect(new Set(got.map(({ output }) => output)).size).toBe(1);
    expect(got.filter(({ wasRecorded }) => !wasRecorded)).toHaveLength(1);
    expect((await entries()).filter(({ entry }) => entry.kind === "step")).toHaveLength(1);
  });

  test("with another input or kind under its key is drift, and the refusal names both", async () => {
    const { runs } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    await value(runs.record(agent, first, answer));
    const other = await runs.lookUp(agent, first, { ...asked, input: digest("b") });
    expect(other).toMatchObject({ refusal: { code: "step-mismatch" } });
    if (!other.ok)
      expect(other.refusal.detail).toContain('step "ask" is on record as a model made from something else');
    const kind = await runs.record(agent, first, { ...answer, kind: "value" });
    expect(kind).toMatchObject({ refusal: { code: "step-mismatch" } });
    if (!kind.ok) expect(kind.refusal.detail).toContain("as a model; now it is asked for as a value");
  });

  test("of a stale attempt is refused, also when the new attempt came while it was on its way", async () => {
    const { runs, entries } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    // Both look at the run before either writes: the transaction alone can tell.
    const [step, attached] = await Promise.all([
      runs.record(agent, first, answer),
      value(runs.attach(agent, "nightly", open)),
    ]);
    expect(attached.run.attempt).toBe(2);
    if (!step.ok) expect(step.refusal.code).toBe("stale-attempt");
    expect(await codeOf(runs.record(agent, first, { ...answer, key: "more" }))).toBe("stale-attempt");
    expect(await codeOf(runs.alive(agent, first))).toBe("stale-attempt");
    expect(await codeOf(runs.record(agent, { ...first, attempt: 7 }, answer))).toBe("invalid-params");
    const after = (await entries()).findIndex(({ entry }) => entry.versions["attempt"] === "2");
    const late = (await entries()).slice(after).filter(({ entry }) => entry.versions["attempt"] === "1");
    expect(late).toEqual([]);
  });

  test("larger than a step may be is refused with its size", async () => {
    const { runs } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    const large = await runs.record(agent, first, { ...answer, output: "x".repeat(outputBytesMax) });
    expect(large).toMatchObject({ refusal: { code: "body-too-large" } });
    expect(await value(runs.lookUp(agent, first, asked))).toBeNull();
  });

  test("says that it was erased once the run's key is destroyed", async () => {
    const { runs, keys, store } = await openRuns();
    const { run } = await value(runs.attach(agent, "nightly", open));
    await value(runs.record(agent, first, answer));
    const change = await keys.eraseScope(`run/${run.tenant}/${run.run}`);
    await store.commit(change.writes);
    change.applied();
    expect(await codeOf(runs.lookUp(agent, first, asked))).toBe("erased");
  });
});

describe("the end of a run", () => {
  test("is the first that was said, for whoever says it again, and nothing more happens in it", async () => {
    const { runs } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    const ended = await value(runs.end(agent, first, { state: "finished", result: { booked: 3 } }));
    expect(ended).toMatchObject({ state: "finished", result: { booked: 3 }, reason: null });
    expect(await value(runs.end(agent, first, { state: "failed", reason: "no" }))).toEqual(ended);
    expect(await codeOf(runs.record(agent, first, answer))).toBe("run-ended");
    expect(await codeOf(runs.alive(agent, first))).toBe("run-ended");
    const { run, isNew } = await value(runs.attach(agent, "nightly", open));
    expect([run.attempt, run.state, isNew]).toEqual([1, "finished", false]);
    expect(await runs.endOf(run)).toEqual(ended);
  });

  test("cannot be said by an attempt that was replaced", async () => {
    const { runs } = await openRuns();
    await value(runs.attach(agent, "nightly", open));
    await value(runs.attach(agent, "nightly", open));
    expect(await codeOf(runs.end(agent, first, { state: "failed", reason: "no" }))).toBe("stale-attempt");
    const second = { ...first, attempt: 2 };
    expect(await value(runs.end(agent, second, { state: "failed", reason: "no money" }))).toMatchObject({
      state: "failed",
      reason: "no money",
      result: null,
    });
  });
});
