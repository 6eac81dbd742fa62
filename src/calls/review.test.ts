import { expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { beginReview, endReview, holdRun, listOpenCalls, readRun, releaseRun } from "../ledger/index.ts";
import type { CallAnswer } from "./call.ts";
import { ApprovalWorld, pendingIn, step } from "./approving.fixture.ts";
import { recoverFromBefore } from "./recover.ts";
import { asks, asksOnce, created, profile, taskOf, yes } from "./asking.fixture.ts";
import type { World } from "./world.fixture.ts";
import { openWorld } from "./world.fixture.ts";

const bothStates = ["dispatched", "waiting"] as const;
const key = (name: string) => ({ [metaKeys.key]: name });
const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);
const review = {
  tenant: defaultTenant,
  since: 0 as never,
  reason: "restored",
  detail: "of last night",
  floor: 1_000,
} as const;

async function bringBack({ store, ledger, agent }: World): Promise<void> {
  const run = await readRun(store, agent, "r1");
  await store.commit([...(run === null ? [] : [holdRun(run)]), beginReview(review, null)]);
  await ledger.reviewsChanged();
}
async function release({ store, ledger }: World): Promise<void> {
  await store.commit([endReview(review)]);
  await ledger.reviewsChanged();
}

test("of a run in review nothing is sent, and nothing given back, until it is released", async () => {
  const world = await openWorld();
  const write = (name: string) => world.call("files__write", { path: name }, step(name));
  await write("s1");
  await bringBack(world);
  for (const name of ["s1", "s2"]) expect(codeOf(await write(name))).toBe("run-in-review");
  expect(world.upstream.sent).toHaveLength(1);

  const run = await readRun(world.store, world.agent, "r1");
  if (run === null) throw new Error("no run");
  await world.store.commit([releaseRun(run, await world.store.now())]);
  expect(codeOf(await write("s1"))).toBe("result");
  expect(world.upstream.sent).toHaveLength(1);
  // The review of the tenant is on, and this run is out of it.
  expect(codeOf(await write("s2"))).toBe("result");
  expect(world.upstream.sent).toHaveLength(2);
  await world.stop();
});

test("a key or run that is not on record may have been used in the lost time: refused until the review is over", async () => {
  const world = await openWorld();
  await world.call("files__write", { path: "a" }, key("known"));
  await bringBack(world);
  const known = () => world.call("files__write", { path: "a" }, key("known"));
  const fresh = () => world.call("files__write", { path: "b" }, key("fresh"));
  const other = () => world.call("files__write", { path: "c" }, { ...step(), [metaKeys.run]: "r2" });
  expect([codeOf(await known()), codeOf(await fresh()), codeOf(await other())]).toEqual([
    "result",
    "run-in-review",
    "run-in-review",
  ]);
  expect(world.upstream.sent).toHaveLength(1);
  // Whoever names nothing was never promised anything.
  expect(codeOf(await world.call("files__write", { path: "d" }))).toBe("result");
  await release(world);
  expect([codeOf(await fresh()), codeOf(await other())]).toEqual(["result", "result"]);
  await world.stop();
});

test("a key whose last try had failed may have succeeded in the lost time: refused until the review is over", async () => {
  const world = await openWorld();
  const write = () => world.call("files__write", { path: "a" }, key("k"));
  const usual = world.upstream.answer;
  world.upstream.answer = () => {
    throw new Fault("tool-unavailable", "it is down", { effect: "none", retry: "later" });
  };
  expect(codeOf(await write())).toBe("tool-unavailable");
  world.upstream.answer = usual;
  await bringBack(world);
  expect(codeOf(await write())).toBe("run-in-review");
  await release(world);
  expect(codeOf(await write())).toBe("result");
  await world.stop();
});

test("an approval that may have been used in the lost time does not run its call again before the review is over", async () => {
  const asked = await ApprovalWorld.open();
  const pending = pendingIn(await asked.write(1));
  await asked.vote(asked.vera, pending);
  await bringBack(asked.world);
  expect(codeOf(await asked.wait(pending.call))).toBe("run-in-review");
  expect(asked.world.upstream.sent).toHaveLength(0);
  await release(asked.world);
  expect(codeOf(await asked.wait(pending.call))).toBe("result");
  expect(asked.world.upstream.sent).toHaveLength(1);
  await asked.world.stop();
});

test("what was dispatched is unknown afterwards, whichever node held it, and what began later is left alone", async () => {
  const world = await openWorld();
  const other = await world.secondNode();
  let answer = () => {};
  const held = new Promise<void>((resolve) => (answer = resolve));
  const usual = world.upstream.answer;
  world.upstream.answer = async (request) => {
    await held;
    return usual(request);
  };
  const calling = other.call("files__write", { path: "a" }, key("k"));
  for (let n = 0; n < 200 && world.upstream.sent.length === 0; n++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(await recoverFromBefore(defaultTenant, 1, bothStates, world)).toBe(0);
  expect(await recoverFromBefore(defaultTenant, 1_000, bothStates, world)).toBe(1);
  expect(await recoverFromBefore(defaultTenant, 1_000, bothStates, world)).toBe(0);
  expect((await world.outcomes()).at(-1)).toBe("outcome:upstream-lost");
  answer();
  await calling.catch(() => undefined);
  await other.stop();
  await world.stop();
});

test("what waited for people is not said to have expired while the review is on, and is afterwards", async () => {
  const asked = await ApprovalWorld.open("group=finance expiry=1h");
  const { world } = asked;
  const pending = pendingIn(await asked.write(1));
  await bringBack(world);
  const hours = async (count: number) => {
    for (let n = 0; n < count * 40; n++) {
      world.clock.advance(90_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await hours(3);
  expect(await world.outcomes()).not.toContain("outcome:approval-expired");
  await release(world);
  await hours(1);
  expect((await world.outcomes()).filter((each) => each.endsWith("approval-expired"))).toHaveLength(1);
  expect(codeOf(await asked.wait(pending.call))).not.toBe("run-in-review");
  await world.stop();
});

test("what waited for input is unknown, and its caller's answer is not sent; a task is still asked for", async () => {
  const world = await openWorld();
  const write = (path: string, more: object = {}) =>
    world.call("files__write", { path }, key(path), { profile, ...more });
  world.upstream.answer = asksOnce;
  const asked = await write("a");
  if (asked.kind !== "input-required") throw new Error(JSON.stringify(asked));
  const { requestState } = JSON.parse(asked.text) as { requestState: string };
  world.upstream.answer = () => taskOf(created);
  await write("b");
  expect(await listOpenCalls(world.store, defaultTenant, "waiting", { limit: 9 })).toHaveLength(2);

  expect(await recoverFromBefore(defaultTenant, 1_000, bothStates, world)).toBe(1);
  await bringBack(world);
  world.upstream.answer = () => asks(null);
  const sent = world.upstream.sent.length;
  const back = await write("a", { round: { inputResponses: { q: yes }, requestState } });
  expect(codeOf(back)).toBe("outcome-unknown");
  expect(world.upstream.sent.length).toBe(sent);
  const waiting = await listOpenCalls(world.store, defaultTenant, "waiting", { limit: 9 });
  expect(waiting).toHaveLength(1);
  await world.stop();
});
