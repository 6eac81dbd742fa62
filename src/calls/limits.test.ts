import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { TenantId } from "../identity/index.ts";
import { measureOf } from "./bounds.ts";
import type { CallAnswer } from "./call.ts";
import { openWorld, resultOf } from "./world.fixture.ts";
import type { World } from "./world.fixture.ts";

let world: World;
let answer: (() => void)[];

beforeEach(async () => {
  world = await openWorld();
  answer = [];
  world.upstream.answer = () =>
    new Promise((resolve) => answer.push(() => resolve(resultOf('{"content":[]}'))));
});
afterEach(() => world.stop());

const calls = (count: number): Promise<CallAnswer>[] =>
  Array.from({ length: count }, (_, i) => world.call("files__read", { path: `${i}` }, {}));
const sent = () => expect.poll(() => world.upstream.sent.length);
const end = async (all: readonly Promise<CallAnswer>[]) => {
  const progress = { isOver: false };
  const over = Promise.all(all).finally(() => (progress.isOver = true));
  await expect
    .poll(() => {
      for (const each of answer.splice(0)) each();
      return progress.isOver;
    })
    .toBe(true);
  return over;
};
const versionsSeen = async () =>
  new Set(
    (await world.ledger.list(defaultTenant, { limit: 100 })).map(({ entry }) => entry.versions["limits"]),
  );

describe("limits", () => {
  test("that nobody has set are the defaults, and no entry names them", async () => {
    expect(world.registry.limits.of(defaultTenant)).toMatchObject({ version: 0, origin: "default" });
    await end(calls(1));
    expect(await versionsSeen()).toEqual(new Set([undefined]));
  });

  test("hold a principal's calls back, and let them in when they are raised meanwhile", async () => {
    await world.setLimits({ perPrincipalCallsMax: 2 });
    const all = calls(5);
    await sent().toBe(2);
    await world.setLimits({ perPrincipalCallsMax: 4 });
    await sent().toBe(4);
    await end(all);
    expect(world.upstream.sent).toHaveLength(5);
    expect(await versionsSeen()).toEqual(new Set(["1", "2"]));
  });

  test("of one agent hold for it instead of those for everybody", async () => {
    await world.setLimits({ perPrincipalCallsMax: 1, agents: { [world.agent.name]: 3 } });
    const all = calls(5);
    await sent().toBe(3);
    await world.setLimits({ agents: { "somebody-else": 9 } });
    for (const each of answer.splice(0)) each();
    await sent().toBe(4);
    await end(all);
  });

  test("of a whole tenant hold for all of its principals together", async () => {
    const vera = await world.person("vera", []);
    await world.setLimits({ tenantCallsMax: 3 });
    const hers = calls(2).concat(
      Array.from({ length: 2 }, () =>
        world.call("files__read", { path: "v" }, {}, { authenticate: () => ({ ok: true, value: vera }) }),
      ),
    );
    await sent().toBe(3);
    await world.setLimits({ tenantCallsMax: null });
    await sent().toBe(4);
    await end(hers);
  });

  test("of a whole tenant count whoever was under way before they were set", async () => {
    const before = calls(3);
    await sent().toBe(3);
    await world.setLimits({ tenantCallsMax: 3 });
    const late = calls(1);
    await world.setLimits({ tenantCallsMax: 3, perPrincipalCallsMax: 99 });
    expect(world.upstream.sent).toHaveLength(3);
    await end([...before, ...late]);
    expect(world.upstream.sent).toHaveLength(4);
  });

  test("of a server that are raised let in who waits there", async () => {
    const { registry, store } = world;
    const [server] = registry.serversOf(defaultTenant);
    const setConcurrency = async (concurrencyMax: number) => {
      if (server === undefined) throw new Error("the world has a server");
      const change = registry.changeServer(defaultTenant, server.id, { concurrencyMax });
      if (!change.ok) throw new Error(change.refusal.detail);
      await store.commit(change.value.writes);
      change.value.applied();
    };
    await setConcurrency(1);
    const all = calls(4);
    await sent().toBe(1);
    await setConcurrency(3);
    await sent().toBe(3);
    await end(all);
  });

  test.each(["node", "waiting", "srv", "a-b"])(
    "of a tenant called %s are counted apart from all else",
    async (tenant) => {
      const who = { ...world.agent, tenant: tenant as TenantId };
      const [server] = world.registry.serversOf(defaultTenant);
      const house = {
        registry: world.registry,
        limits: { callsInFlightMax: 5, dispatchWindowMs: 1, leaseMs: 1 },
      };
      const { bounds } = measureOf(who, server!, house);
      const keys = bounds.map(({ key }) => key);
      expect(new Set(keys).size).toBe(4);
      expect(keys.filter((key) => key === tenant)).toHaveLength(1);
    },
  );

  test("that keep a call out until its deadline are named in the entry of its refusal", async () => {
    await world.setLimits({ perPrincipalCallsMax: 1 });
    const [first] = calls(1) as [Promise<CallAnswer>];
    await sent().toBe(1);
    const deadline = { at: (Number(world.clock.monotonic()) + 1_000) as never };
    const late = world.call("files__write", { path: "b" }, {}, { deadline });
    await world.tickUntil(late);
    expect(await late).toMatchObject({ kind: "refused", refusal: { code: "too-many-calls" } });
    expect(await versionsSeen()).toEqual(new Set(["1"]));
    await end([first]);
  });
});
