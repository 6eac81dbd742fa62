import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { elapsedMs } from "../base/index.ts";
import type { Lease } from "../store/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { nodeLeaseName, TakeOver } from "./index.ts";
import type { World } from "./world.fixture.ts";
import { openWorld } from "./world.fixture.ts";

const leaseMs = 15_000;

let world: World;
let takeOver: TakeOver;
let own: Lease;
let taken: [string, number][];
/** Nodes whose runs were given up, each with the calls of it that still counted as under way then. */
let givenUp: [string, number][];
const giveUpRuns = async ({ name }: { readonly name: string }) => {
  givenUp.push([name, (await statesOf())[0] ?? 0]);
  return 0;
};

/** The world's node is "local"; beside it lives "second", which looks after nodes that fall silent. */
beforeEach(async () => {
  world = await openWorld();
  const { store } = world;
  const local = await store.acquireLease(nodeLeaseName("local"), "local", leaseMs);
  const second = await store.acquireLease(nodeLeaseName("second"), "second", 24 * 3_600_000);
  if (local === null || second === null) throw new Error("nobody else holds them");
  own = second;
  store.bindToLease(own); // the one store stands for both nodes
  taken = [];
  givenUp = [];
  takeOver = new TakeOver({
    ...world,
    node: { name: "second", fence: own.fence },
    leaseMs,
    giveUpRuns,
    onTakenOver: (node, calls) => taken.push([node, calls]),
    onTrouble: (_doing, thrown) => {
      throw thrown;
    },
  });
});

afterEach(async () => {
  await takeOver.stop();
  await world.line.stop(0);
});

/** A call of this world's node that will never be answered. */
async function dispatched(): Promise<void> {
  const isSent = new Promise<void>((resolve) => {
    world.upstream.answer = () => {
      resolve();
      return new Promise(() => {});
    };
  });
  void world.call("files__write", { path: "a" });
  await isSent;
}

const tickUntil = (check: () => void) =>
  vi.waitFor(
    () => {
      world.clock.advance(250);
      check();
    },
    { interval: 1, timeout: 10_000 },
  );

const statesOf = async () => {
  const states = await Promise.all(
    (["dispatched", "unknown"] as const).map((state) =>
      listOpenCalls(world.store, defaultTenant, state, { limit: 10 }),
    ),
  );
  return states.map((calls) => calls.length);
};

test("what a node that fell silent had dispatched is unknown within one lease and a look, once", async () => {
  await dispatched();
  takeOver.start();
  const since = world.clock.monotonic();
  await tickUntil(() => expect(taken).toEqual([["local", 1]]));
  const passedMs = elapsedMs(world.clock.monotonic(), since);
  expect(passedMs).toBeGreaterThanOrEqual(leaseMs);
  expect(passedMs).toBeLessThanOrEqual(leaseMs + 3_000);
  expect(await statesOf()).toEqual([0, 1]);
  expect(givenUp).toEqual([["local", 0]]);
  const later = elapsedMs(world.clock.monotonic(), since) + 60_000;
  await tickUntil(() => expect(elapsedMs(world.clock.monotonic(), since)).toBeGreaterThan(later));
  expect(taken).toHaveLength(1);
});

test("the node that was only asleep can write nothing any more", async () => {
  await dispatched();
  takeOver.start();
  await tickUntil(() => expect(taken).toHaveLength(1));
  // Its own lease, as it knows it.
  world.store.bindToLease({ ...own, name: nodeLeaseName("local"), holder: "local", fence: 2 });
  await expect(world.store.commit([])).rejects.toMatchObject({ code: "lease-lost" });
});

test("nobody is taken for dead who could not reach the store either, and renews once it can", async () => {
  const away = { isAway: true };
  const store: World["store"] = Object.create(world.store, {
    list: {
      value: (...args: Parameters<World["store"]["list"]>) =>
        away.isAway ? Promise.reject(new Error("away")) : world.store.list(...args),
    },
  });
  const troubles: string[] = [];
  const beside = new TakeOver({
    ...world,
    store,
    node: { name: "second", fence: own.fence },
    leaseMs,
    giveUpRuns,
    onTakenOver: (node, calls) => taken.push([node, calls]),
    onTrouble: (doing) => troubles.push(doing),
  });
  beside.start();
  const since = world.clock.monotonic();
  const passed = (ms: number) =>
    tickUntil(() => expect(elapsedMs(world.clock.monotonic(), since)).toBeGreaterThan(ms));
  await passed(2 * leaseMs);
  expect(troubles.length).toBeGreaterThan(0);
  away.isAway = false;
  await passed(2 * leaseMs + 5_000);
  expect(taken).toEqual([]);
  // Who has not renewed by then is dead.
  await tickUntil(() => expect(taken).toEqual([["local", 0]]));
  await beside.stop();
});

test("a node that gave its lease back is not taken over", async () => {
  const lease = await world.store.acquireLease(nodeLeaseName("third"), "third", leaseMs);
  if (lease === null) throw new Error("nobody else holds it");
  await world.store.releaseLease(lease);
  takeOver.start();
  await tickUntil(() => expect(taken.map(([node]) => node)).toEqual(["local"]));
});
