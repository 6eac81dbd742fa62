import { describe, expect, test } from "vitest";
import { signalBytesMax, snapshotsPerSlotMax } from "./limits.ts";
import { signalWrites } from "./signals.ts";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";
import { pendingWaits } from "./waits.ts";

const open = { deadlineMs: null } as const;
const first = { name: "nightly", attempt: 1 } as const;
const patient = { holdMs: 60_000, signal: new AbortController().signal };
const impatient = { ...patient, holdMs: 0 };

async function attached(over: Parameters<typeof openRuns>[0] = {}): Promise<RunsWorld> {
  const world = await openRuns(over);
  await value(world.runs.attach(agent, "nightly", open));
  return world;
}

async function signal({ runs, store, keys, clock }: RunsWorld, name: string, payload: unknown) {
  const run = await value(runs.find(agent, "nightly"));
  const random = { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) };
  const writes = await signalWrites(run, name, payload, { store, keys, clock, random });
  if (!writes.ok) return writes.refusal.code;
  const { verdict } = await store.commit(writes.value);
  if (verdict === "done") runs.changed(run);
  return verdict;
}

/** Lets what is ready run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a timer", () => {
  test("keeps its instant over restarts, and what is left of it is what remains until then", async () => {
    const world = await attached();
    expect(await value(world.runs.sleep(agent, first, { key: "nap", ms: 60_000 }))).toMatchObject({
      leftMs: 60_000,
      wasRecorded: false,
    });
    world.clock.advance(45_000);
    const { clock, database } = world;
    const next = await openRuns({ clock, database, seed: "next" });
    await value(next.runs.attach(agent, "nightly", open));
    const second = { ...first, attempt: 2 };
    const again = await value(next.runs.sleep(agent, second, { key: "nap", ms: 99_000 }));
    expect(again).toMatchObject({ leftMs: 15_000, wasRecorded: true });
    clock.advance(20_000);
    expect(await value(next.runs.sleep(agent, second, { key: "nap", ms: 60_000 }))).toMatchObject({
      leftMs: 0,
    });
  });

  test("is what the run stands in front of until it is due", async () => {
    const { runs, clock } = await attached();
    await value(runs.sleep(agent, first, { key: "nap", ms: 60_000 }));
    const waits = async () => pendingWaits(await value(runs.find(agent, "nightly")), await runs.now());
    expect(await waits()).toMatchObject([{ kind: "timer", step: "nap" }]);
    clock.advance(60_000);
    expect(await waits()).toEqual([]);
    await value(runs.sleep(agent, first, { key: "again", ms: 1_000 }));
    expect((await value(runs.find(agent, "nightly"))).waitsFor.map(({ step }) => step)).toEqual(["again"]);
  });
});

describe("a signal", () => {
  test("that came before anybody waited is kept, taken once, and the same at every asking", async () => {
    const world = await attached();
    expect(await signal(world, "paid", { amount: 3 })).toBe("done");
    expect(await signal(world, "paid", { amount: 4 })).toBe("conflict");
    const wait = { key: "payment", signal: "paid", timeoutMs: null };
    const taken = await value(world.runs.wait(agent, first, wait, impatient));
    expect(taken).toMatchObject({ state: "taken", payload: { amount: 3 }, wasRecorded: false });
    expect(await value(world.runs.wait(agent, first, wait, impatient))).toEqual({
      ...taken,
      wasRecorded: true,
    });
    // Taken, so that the next one of its name is for the next step that waits.
    expect(await signal(world, "paid", { amount: 5 })).toBe("done");
    const next = await value(world.runs.wait(agent, first, { ...wait, key: "payment-2" }, impatient));
    expect(next).toMatchObject({ payload: { amount: 5 } });
  });

  test("wakes whoever waits for it, and one of two that wait gets it", async () => {
    const world = await attached();
    const waits = ["a", "b"].map((key) =>
      value(world.runs.wait(agent, first, { key, signal: "paid", timeoutMs: 5_000 }, patient)),
    );
    await expect.poll(async () => (await value(world.runs.find(agent, "nightly"))).waitsFor.length).toBe(2);
    expect(await signal(world, "paid", 1)).toBe("done");
    const winner = await Promise.race(waits);
    expect(winner).toMatchObject({ state: "taken", payload: 1 });
    for (let n = 0; n < 8; n++) {
      world.clock.advance(1_000);
      await turn();
    }
    expect((await Promise.all(waits)).map(({ state }) => state).toSorted()).toEqual(["taken", "timed-out"]);
    expect((await value(world.runs.find(agent, "nightly"))).waitsFor).toEqual([]);
  });

  test("that does not come in the time settled at the first visit is on record as that, also after a restart", async () => {
    const world = await attached();
    const wait = { key: "payment", signal: "paid", timeoutMs: 10_000 };
    expect(await value(world.runs.wait(agent, first, wait, impatient))).toEqual({
      state: "waiting",
      leftMs: 10_000,
    });
    world.clock.advance(6_000);
    await value(world.runs.attach(agent, "nightly", open));
    const second = { ...first, attempt: 2 };
    const longer = { ...wait, timeoutMs: 99_000 };
    expect(await value(world.runs.wait(agent, second, longer, impatient))).toMatchObject({ leftMs: 4_000 });
    world.clock.advance(4_000);
    const over = await value(world.runs.wait(agent, second, wait, impatient));
    expect(over).toMatchObject({ state: "timed-out", wasRecorded: false });
    await signal(world, "paid", "late");
    expect(await value(world.runs.wait(agent, second, wait, impatient))).toEqual({
      ...over,
      wasRecorded: true,
    });
  });

  test("of another name under the same step is drift", async () => {
    const world = await attached();
    await signal(world, "paid", 1);
    await value(world.runs.wait(agent, first, { key: "k", signal: "paid", timeoutMs: null }, impatient));
    const other = await world.runs.wait(
      agent,
      first,
      { key: "k", signal: "sold", timeoutMs: null },
      impatient,
    );
    expect(other).toMatchObject({ refusal: { code: "step-mismatch" } });
  });

  test("is sealed, bounded, and refused by a run that has ended", async () => {
    const world = await attached();
    await signal(world, "paid", "a secret of somebody");
    const rows = [...world.database.keyedTable("run_signal").inOrderOfArrival()];
    expect(Buffer.from(rows[0]?.["payload"] as Uint8Array).includes("secret")).toBe(false);
    expect(await signal(world, "large", "x".repeat(signalBytesMax))).toBe("body-too-large");
    await value(world.runs.end(agent, first, { state: "finished", result: null }));
    expect(await signal(world, "other", 1)).toBe("run-ended");
  });

  test("is answered as still waiting when the node stops", async () => {
    const world = await attached();
    const waiting = value(
      world.runs.wait(agent, first, { key: "k", signal: "paid", timeoutMs: null }, patient),
    );
    await expect.poll(async () => (await value(world.runs.find(agent, "nightly"))).waitsFor.length).toBe(1);
    world.runs.stop();
    expect(await waiting).toEqual({ state: "waiting", leftMs: null });
  });
});

describe("memory", () => {
  test("gives back the newest of a slot, or an older one by its digest, to its owner alone", async () => {
    const { runs } = await attached();
    expect(await value(runs.readMemory(agent, "nightly", "messages", null))).toBeNull();
    const one = await value(runs.saveMemory(agent, first, "messages", ["hello"]));
    const two = await value(runs.saveMemory(agent, first, "messages", ["hello", "again"]));
    expect([one.version, two.version]).toEqual([1, 2]);
    const newest = await value(runs.readMemory(agent, "nightly", "messages", null));
    expect(newest).toMatchObject({ content: ["hello", "again"], digest: two.digest });
    const older = await value(runs.readMemory(agent, "nightly", "messages", one.digest));
    expect(older).toMatchObject({ content: ["hello"], version: 1 });
    expect(await runs.readMemory(otherAgent, "nightly", "messages", null)).toMatchObject({ ok: false });
  });

  test("like the newest is not written again, and the oldest beyond the bound goes", async () => {
    const world = await attached();
    const { runs } = world;
    const saved = [];
    for (let n = 0; n <= snapshotsPerSlotMax; n++)
      saved.push(await value(runs.saveMemory(agent, first, "pad", n)));
    const again = await value(runs.saveMemory(agent, first, "pad", snapshotsPerSlotMax));
    expect(again).toEqual({ ...saved.at(-1), receipt: null });
    expect(await value(runs.readMemory(agent, "nightly", "pad", saved[0]?.digest ?? null))).toBeNull();
    expect(await value(runs.readMemory(agent, "nightly", "pad", saved[1]?.digest ?? null))).toMatchObject({
      content: 1,
    });
    expect([...world.database.keyedTable("run_content").inOrderOfArrival()]).toHaveLength(
      snapshotsPerSlotMax,
    );
  });

  test("of a stale attempt is refused, and erasing the run's key takes it", async () => {
    const { runs, keys, store } = await attached();
    await value(runs.saveMemory(agent, first, "pad", "mine"));
    const { run } = await value(runs.attach(agent, "nightly", open));
    expect(await runs.saveMemory(agent, first, "pad", "late")).toMatchObject({
      refusal: { code: "stale-attempt" },
    });
    const change = await keys.eraseScope(`run/${run.tenant}/${run.run}`);
    await store.commit(change.writes);
    change.applied();
    expect(await runs.readMemory(agent, "nightly", "pad", null)).toMatchObject({
      refusal: { code: "erased" },
    });
  });
});
