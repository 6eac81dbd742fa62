import { describe, expect, it } from "vitest";
import type { Sha256Hex } from "../base/index.ts";
import { ManualClock, plusMs, seededRandom, storeMs } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Store, Write } from "../store/index.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import {
  claim,
  expiredClaims,
  keyKeptMs,
  keyPlace,
  mayReclaim,
  readClaim,
  resettleClaim,
  settleClaim,
  stepPlace,
} from "./claims.ts";
import { acme } from "./ledger.fixture.ts";
import type { OpenCall } from "./open-calls.ts";
import {
  closeCall,
  dispatchWaiting,
  identicalOpenCall,
  listOpenCalls,
  markUnknown,
  openCall,
  openCallsOfNode,
  readOpenCall,
  resolveCall,
} from "./open-calls.ts";
import type { RunRecord } from "./run-records.ts";
import {
  askToWake,
  changeRun,
  endRun,
  listRuns,
  newRun,
  runDeadline,
  overdueRuns,
  raiseAttempt,
  readRun,
  runById,
} from "./run-records.ts";
import type { CallId, EntryId, RunId } from "./shapes.ts";
import { ledgerTables } from "./tables.ts";

const agent: Principal = {
  id: "agent/a" as never,
  kind: "agent",
  name: "a",
  roles: [],
  tenant: acme,
  chain: [{ id: "person/b" as never, kind: "person", name: "b", roles: [] }],
  version: "1",
};
const clock = new ManualClock();
const sources = { clock, random: seededRandom("runs") };
const unattached = { aliveUntil: null, deadline: runDeadline(storeMs(0), null), hook: null };
const holder = { node: "node_1", fence: 3 };
const other = { node: "node_2", fence: 4 };
const digest = (letter: string) => letter.repeat(64) as Sha256Hex;

async function opened() {
  const store = openMemoryStore({ tables: ledgerTables, clock });
  await store.start();
  const done = async (...writes: Write[]) => (await store.commit(writes)).verdict === "done";
  return { store: store as Store, done };
}

const sample = (n: number, more: Partial<OpenCall> = {}): OpenCall => ({
  call: `call_${n}` as CallId,
  tenant: acme,
  principal: agent.id,
  subject: "srv_1/pay",
  class: "effect",
  state: "dispatched",
  ...holder,
  dispatchBy: storeMs(1000),
  intentEntry: `call_${n}:0` as EntryId,
  stepDigest: digest("a"),
  claim: null,
  same: null,
  ...more,
});

describe("an open call", () => {
  it("is there as written until its holder closes it; nobody else can", async () => {
    const { store, done } = await opened();
    const call = sample(1, { claim: stepPlace("run_1" as RunId, "s1"), same: "mac" });
    expect(await done(openCall(call))).toBe(true);
    expect(await done(openCall(call))).toBe(false);
    expect(await readOpenCall(store, call.call)).toEqual(call);
    expect(await done(closeCall(call.call, other))).toBe(false);
    expect(await done(closeCall(call.call, { node: "node_1", fence: 2 }))).toBe(false);
    expect(await done(closeCall(call.call, holder))).toBe(true);
    expect(await readOpenCall(store, call.call)).toBeNull();
  });

  it("refuses an identical unkeyed one of the same principal, while open and while unknown", async () => {
    const { store, done } = await opened();
    expect(await done(openCall(sample(1, { same: "mac" })))).toBe(true);
    expect(await done(openCall(sample(2, { same: "mac" })))).toBe(false);
    expect((await identicalOpenCall(store, acme, agent.id, "mac"))?.call).toBe("call_1");
    expect(await done(openCall(sample(3, { same: "mac", principal: "agent/z" as never })))).toBe(true);
    expect(await done(openCall(sample(4, { same: "mac", tenant: "t2" as never })))).toBe(true);
    expect(await done(openCall(sample(5)), openCall(sample(6)))).toBe(true);
    expect(await done(markUnknown("call_1" as CallId, holder))).toBe(true);
    expect(await done(openCall(sample(2, { same: "mac" })))).toBe(false);
    expect(await done(resolveCall("call_5" as CallId))).toBe(false);
    expect(await done(resolveCall("call_1" as CallId))).toBe(true);
    expect(await done(openCall(sample(2, { same: "mac" })))).toBe(true);
  });

  it("that waited is driven by exactly one of those that return", async () => {
    const { store, done } = await opened();
    await done(openCall(sample(1, { state: "waiting" })));
    const next = { dispatchBy: storeMs(5000), intentEntry: "call_1:1" as EntryId };
    const from = { ...holder, dispatchBy: sample(1).dispatchBy };
    const earlier = { ...holder, dispatchBy: storeMs(1) };
    expect(await done(dispatchWaiting("call_1" as CallId, earlier, holder, next))).toBe(false);
    expect(await done(closeCall("call_1" as CallId, holder))).toBe(false);
    const results = await Promise.all([
      done(dispatchWaiting("call_1" as CallId, from, holder, next)),
      done(dispatchWaiting("call_1" as CallId, from, other, next)),
    ]);
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await readOpenCall(store, "call_1" as CallId)).toMatchObject({ state: "dispatched", ...next });
  });

  it("of a dead node is found and marked unknown in that node's name; its writes fail from then on, and others' at any time", async () => {
    const { store, done } = await opened();
    for (let n = 0; n < 5; n++) await done(openCall(sample(n)));
    await done(openCall(sample(9, other)));
    const page = await openCallsOfNode(store, "node_1", { limit: 3 });
    const rest = await openCallsOfNode(store, "node_1", { after: page.at(-1)?.call as CallId, limit: 3 });
    expect([...page, ...rest].map(({ call }) => call)).toEqual([
      "call_0",
      "call_1",
      "call_2",
      "call_3",
      "call_4",
    ]);
    expect(await done(markUnknown("call_0" as CallId, other))).toBe(false);
    expect(await done(closeCall("call_0" as CallId, other))).toBe(false);
    expect(await done(markUnknown("call_0" as CallId, holder))).toBe(true);
    expect(await done(markUnknown("call_0" as CallId, holder))).toBe(false);
    expect(await done(closeCall("call_0" as CallId, holder))).toBe(false);
    expect((await listOpenCalls(store, acme, "unknown", { limit: 10 })).map(({ call }) => call)).toEqual([
      "call_0",
    ]);
    expect(await listOpenCalls(store, "t2" as never, "unknown", { limit: 10 })).toEqual([]);
  });
});

describe("a claim", () => {
  const place = stepPlace("run_1" as RunId, "s1");
  const claimOf = (call: string, letter = "a") => ({
    tenant: acme,
    place,
    call: call as CallId,
    stepDigest: digest(letter),
    expiresAt: null,
  });

  it("goes to exactly one of many calls", async () => {
    const { store, done } = await opened();
    const won = await Promise.all([1, 2, 3, 4].map((n) => done(claim(claimOf(`call_${n}`), null))));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await readClaim(store, acme, place)).toMatchObject({ state: "open", outcomeEntry: null });
  });

  it("is bound by succeeded and unknown, and free again after failed and refused, for the same digest only", async () => {
    const { store, done } = await opened();
    const now = storeMs(0);
    for (const [n, kind] of (["failed", "refused", "unknown"] as const).entries()) {
      const before = await readClaim(store, acme, place);
      expect(await done(claim(claimOf(`call_${n}`), before))).toBe(true);
      const entry = `call_${n}:1` as EntryId;
      expect(await done(settleClaim(acme, place, "call_x" as CallId, kind, entry))).toBe(false);
      expect(await done(settleClaim(acme, place, `call_${n}` as CallId, kind, entry))).toBe(true);
      expect(await done(settleClaim(acme, place, `call_${n}` as CallId, kind, entry))).toBe(false);
      const after = await readClaim(store, acme, place);
      expect(after).toMatchObject({ state: kind === "unknown" ? "final" : "released", outcomeEntry: entry });
      expect(after && mayReclaim(after, digest("a"), now)).toBe(kind !== "unknown");
      expect(after && mayReclaim(after, digest("b"), now)).toBe(false);
    }
    const entry = "call_2:2" as EntryId;
    expect(await done(resettleClaim(acme, place, "call_2" as CallId, "released", entry))).toBe(true);
    const released = await readClaim(store, acme, place);
    const again = await Promise.all([3, 4].map((n) => done(claim(claimOf(`call_${n}`), released))));
    expect(again.filter(Boolean)).toHaveLength(1);
  });

  it("of a key is forgotten after a day, unless its call is still open", async () => {
    const { store, done } = await opened();
    const now = await store.now();
    const expiresAt = plusMs(now, keyKeptMs);
    const keys = ["k1", "k2"].map((key) => keyPlace(agent.id, key));
    for (const [n, place] of keys.entries()) {
      await done(claim({ ...claimOf(`call_${n}`), place, expiresAt }, null));
    }
    await done(claim(claimOf("call_9"), null));
    await done(settleClaim(acme, keys[0] as never, "call_0" as CallId, "succeeded", "call_0:1" as EntryId));
    expect(await expiredClaims(store, now, 10)).toEqual([]);
    const found = await readClaim(store, acme, keys[0] as never);
    expect(found && mayReclaim(found, digest("z"), now)).toBe(false);
    expect(found && mayReclaim(found, digest("z"), expiresAt)).toBe(true);
    const writes = await expiredClaims(store, expiresAt, 10);
    expect(writes).toHaveLength(1);
    expect(await done(...writes)).toBe(true);
    expect(await readClaim(store, acme, keys[0] as never)).toBeNull();
    expect(await readClaim(store, acme, keys[1] as never)).not.toBeNull();
  });
});

describe("a run", () => {
  it("is made once by its first use, and looks missing to every other principal", async () => {
    const { store, done } = await opened();
    const [one, two] = [
      newRun(agent, "nightly", sources, unattached),
      newRun(agent, "nightly", sources, unattached),
    ];
    const won = await Promise.all([done(one.write), done(two.write)]);
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await readRun(store, agent, "nightly")).toEqual(won[0] ? one.run : two.run);
    expect(one.run.chain).toEqual(["agent/a", "person/b"]);
    expect(await readRun(store, { ...agent, id: "agent/z" as never }, "nightly")).toBeNull();
    expect(await readRun(store, { ...agent, tenant: "t2" as never }, "nightly")).toBeNull();
    expect(
      await done(newRun({ ...agent, id: "agent/z" as never }, "nightly", sources, unattached).write),
    ).toBe(true);
    expect(await listRuns(store, acme, { limit: 10 })).toHaveLength(2);
  });

  it("has its attempt raised by an attach alone, and a write that proves an old attempt fails", async () => {
    const { store, done } = await opened();
    const { run, write } = newRun(agent, "r", sources, unattached);
    await done(write);
    expect(await done(changeRun(run, {}))).toBe(true);
    expect(await done(raiseAttempt(run, storeMs(30_000)))).toBe(true);
    expect(await done(raiseAttempt(run, storeMs(30_000)))).toBe(false);
    expect(await done(changeRun(run, {}))).toBe(false);
    expect(await readRun(store, agent, "r")).toMatchObject({ attempt: 2, aliveUntil: storeMs(30_000) });
  });

  it("ends once, and nothing of it changes from then on", async () => {
    const { store, done } = await opened();
    const { run, write } = newRun(agent, "r", sources, {
      aliveUntil: storeMs(5),
      deadline: storeMs(9),
      hook: null,
    });
    await done(write);
    const end = { at: clock.wall(), entry: "evt_1:0" as EntryId };
    expect(await done(endRun({ ...run, attempt: 2 }, "finished", end))).toBe(false);
    expect(await done(endRun(run, "finished", end))).toBe(true);
    expect(await done(endRun(run, "failed", end))).toBe(false);
    for (const late of [changeRun(run, {}), raiseAttempt(run, storeMs(7)), askToWake(run, storeMs(1))])
      expect(await done(late)).toBe(false);
    const ended = { state: "finished", endedAt: end.at, endEntry: end.entry, aliveUntil: null };
    expect(await readRun(store, agent, "r")).toEqual({ ...run, ...ended });
    expect(await runById(store, acme, run.run)).toEqual({ ...run, ...ended });
    expect(await runById(store, "t2" as never, run.run)).toBeNull();
  });

  it("stands in front of what it waits for, and a change made from an older view of that fails", async () => {
    const { store, done } = await opened();
    const { run, write } = newRun(agent, "r", sources, unattached);
    await done(write);
    const timer = { kind: "timer", step: "s1", until: storeMs(500) } as const;
    const signal = { kind: "signal", step: "s2", signal: "paid", until: null } as const;
    expect(await done(changeRun(run, { waitsFor: [timer] }))).toBe(true);
    expect(await done(changeRun(run, { waitsFor: [signal] }))).toBe(false);
    const waiting = await readRun(store, agent, "r");
    expect(waiting?.waitsFor).toEqual([timer]);
    expect(await done(changeRun(waiting as RunRecord, { waitsFor: [timer, signal] }))).toBe(true);
    expect((await readRun(store, agent, "r"))?.waitsFor).toEqual([timer, signal]);
  });

  it("past its deadline is found while it is open", async () => {
    const { store, done } = await opened();
    const [soon, late] = [5, 50].map((ms) =>
      newRun(agent, `by-${ms}`, sources, { aliveUntil: null, deadline: storeMs(ms), hook: null }),
    );
    await done(newRun(agent, "any", sources, unattached).write);
    for (const made of [soon, late]) if (made !== undefined) await done(made.write);
    expect(await overdueRuns(store, storeMs(5), 10)).toEqual([soon?.run]);
    expect(await overdueRuns(store, storeMs(4), 10)).toEqual([]);
    const end = { at: clock.wall(), entry: "evt_1:0" as EntryId };
    await done(endRun(soon?.run as RunRecord, "failed", end));
    expect(await overdueRuns(store, storeMs(99), 10)).toEqual([late?.run]);
  });

  it("is listed newest first, by state, page by page", async () => {
    const { store, done } = await opened();
    const made: RunRecord[] = [];
    for (let n = 0; n < 5; n++) {
      const { run, write } = newRun(agent, `r${n}`, sources, unattached);
      await done(write);
      made.unshift(run);
    }
    const sorted = made.toSorted((a, b) => (a.run < b.run ? 1 : -1));
    const first = await listRuns(store, acme, { limit: 2 });
    const rest = await listRuns(store, acme, { before: first.at(-1)?.run as RunId, limit: 10 });
    expect([...first, ...rest]).toEqual(sorted);
    const end = { at: clock.wall(), entry: "evt_1:0" as EntryId };
    await done(endRun(sorted[2] as RunRecord, "failed", end));
    expect((await listRuns(store, acme, { state: "failed", limit: 9 })).map(({ run }) => run)).toEqual([
      sorted[2]?.run,
    ]);
    expect(await listRuns(store, acme, { state: "open", limit: 9 })).toHaveLength(4);
  });
});
