import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { CallId, EntryId, LedgerEntry } from "../ledger/index.ts";
import { asked, asksOnce, codeOf, profile, round } from "./asking.fixture.ts";
import type { CallAnswer } from "./call.ts";
import { recoverCalls } from "./recover.ts";
import { resolvedBy } from "./resolved-by.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const step = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
const key = { [metaKeys.key]: "k" };
const put = (meta: Record<string, unknown> = step) => after(world.call("files__put", {}, meta));
const open = (state: "unknown" | "dispatched") =>
  listOpenCalls(world.store, defaultTenant, state, { limit: 10 });
const keysSent = () =>
  world.upstream.sent.map(({ argumentsText }) => (JSON.parse(argumentsText ?? "{}") as { key?: string }).key);

async function after<T>(pending: Promise<T>): Promise<T> {
  await world.tickUntil(pending);
  return pending;
}

const lost = () => {
  throw new Fault("upstream-lost", "the connection broke");
};
const down = () => {
  throw new Fault("tool-unavailable", "no connection", { effect: "none" });
};
const answers = () => resultOf('{"content":[{"type":"text","text":"put"}]}');

/** Both tries of the first call are lost. */
async function loseFirst(meta: Record<string, unknown> = step): Promise<CallId> {
  world.upstream.answer = lost;
  expect(codeOf(await put(meta))).toBe("upstream-lost");
  const [unknown] = await open("unknown");
  return unknown!.call;
}

const entry = async (id: string): Promise<LedgerEntry> =>
  (await world.ledger.entry(defaultTenant, id as EntryId))!;
const callIn = (answer: CallAnswer): CallId => answer.receipt!.entry.split(":")[0] as CallId;

describe("an idempotent call whose outcome is unknown", () => {
  test.each([
    ["step", step],
    ["key", key],
  ])("is sent again under the same key when its caller comes back for its %s", async (_name, meta) => {
    const first = await loseFirst(meta);
    world.upstream.answer = answers;
    const answer = await put(meta);
    expect(answer.kind).toBe("result");
    expect(new Set(keysSent()).size).toBe(1);
    expect(await put(meta)).toEqual(answer);
    expect(world.upstream.sent).toHaveLength(3);
    expect(await open("unknown")).toEqual([]);
    const second = callIn(answer);
    expect(second).not.toBe(first);
    expect((await entry(`${second}:0`)).entry).toMatchObject({ kind: "intent", after: `${first}:1` });
    expect(resolvedBy((await entry(`${first}:2`)).entry)).toEqual({
      by: "sent-again",
      entry: `${first}:2`,
      call: second,
    });
  });

  test("is not sent again by itself, also not after a restart", async () => {
    world.upstream.answer = () => new Promise(() => undefined);
    void world.call("files__put", {}, step);
    await expect.poll(() => world.upstream.sent.length).toBe(1);
    await recoverCalls({ ...world, node: { name: "local", fence: 2 } });
    world.clock.advance(10 * 60_000);
    expect(world.upstream.sent).toHaveLength(1);
    expect(await open("unknown")).toHaveLength(1);
    world.upstream.answer = answers;
    expect((await put()).kind).toBe("result");
  });

  test("is sent once more however many come back for it at once", async () => {
    await loseFirst();
    world.upstream.answer = answers;
    const all = await after(Promise.all(Array.from({ length: 8 }, () => world.call("files__put", {}, step))));
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(world.upstream.sent).toHaveLength(3);
  });

  test("stays unknown when sending it again fails: the first may have happened", async () => {
    const first = await loseFirst();
    world.upstream.answer = down;
    const answer = await put();
    expect(answer).toMatchObject({
      refusal: { code: "outcome-unknown", evidence: { call: first, why: "tool-unavailable" } },
    });
    expect(await open("unknown")).toHaveLength(1);
    world.upstream.answer = answers;
    expect((await put()).kind).toBe("result");
    expect(await world.outcomes()).toEqual([
      "intent:-",
      "outcome:upstream-lost",
      "intent:-",
      "resolve:outcome-unknown",
      "outcome:outcome-unknown",
      "intent:-",
      "resolve:outcome-unknown",
      "outcome:succeeded",
    ]);
  });

  test("stays unknown when policy has come to forbid it, and its caller is told both", async () => {
    const first = await loseFirst();
    world.setPolicies("");
    const answer = await put();
    expect(answer).toMatchObject({ refusal: { code: "outcome-unknown", evidence: { call: first } } });
    expect(JSON.stringify(answer)).toContain("denied");
    expect(await open("unknown")).toHaveLength(1);
  });

  test("stays unknown when the ledger fails over the new intent, perhaps written", async () => {
    const first = await loseFirst();
    world.upstream.answer = answers;
    const commit = world.store.commit.bind(world.store);
    world.store.commit = async (writes) => {
      await commit(writes);
      world.store.commit = commit;
      throw new Fault("store-unavailable", "could not confirm", { effect: "unknown" });
    };
    expect(await put()).toMatchObject({ refusal: { code: "outcome-unknown", evidence: { call: first } } });
    await after(expect.poll(async () => (await open("unknown")).length).toBe(1));
    expect((await put()).kind).toBe("result");
  });

  test("is a person's once its server may have forgotten the key", async () => {
    await loseFirst();
    world.upstream.answer = down;
    world.clock.advance(23 * 3_600_000);
    await put();
    world.upstream.answer = answers;
    world.clock.advance(2 * 3_600_000); // a day after the first time, not after the last
    const answer = await put();
    expect(codeOf(answer)).toBe("outcome-unknown");
    expect(JSON.stringify(answer)).toContain("more than a day ago");
  });

  test("is nobody's but a person's without a step or key", async () => {
    world.upstream.answer = lost;
    await put({});
    world.upstream.answer = answers;
    await put({});
    expect(await open("unknown")).toHaveLength(1);
    expect(new Set(keysSent()).size).toBe(2);
  });
});

describe("a call of class effect whose outcome is unknown", () => {
  test("is never sent again by itself", async () => {
    world.upstream.answer = lost;
    await after(world.call("files__write", {}, step));
    world.upstream.answer = answers;
    const answer = await after(world.call("files__write", {}, step));
    expect(codeOf(answer)).toBe("outcome-unknown");
    expect(JSON.stringify(answer)).toContain("A person must resolve it");
    expect(world.upstream.sent).toHaveLength(1);
  });
});

describe("an idempotent call that people approved", () => {
  const byFinance =
    'permit(principal, action, resource); @approve("group=finance expiry=4h") forbid(principal, action == Action::"call", resource);';

  async function approved(): Promise<CallId> {
    const vera = await world.person("vera", ["finance"]);
    world.setPolicies(byFinance);
    world.upstream.answer = lost;
    const waiting = put();
    const [pending] = await after(
      expect
        .poll(async () => listOpenCalls(world.store, defaultTenant, "pending", { limit: 1 }))
        .toHaveLength(1)
        .then(() => listOpenCalls(world.store, defaultTenant, "pending", { limit: 1 })),
    );
    const request = (await world.approvals.ofCall(pending!.call))!;
    const voted = await world.approvals.vote(vera, request.id, {
      vote: "approve",
      intent: request.intentDigest,
      entry: "act_test:0" as EntryId,
      at: world.clock.wall(),
    });
    if (!voted.ok) throw new Error(voted.refusal.detail);
    await world.store.commit(voted.value.writes);
    world.approvals.decided(request.id);
    await waiting;
    await put();
    return pending!.call;
  }

  test("is sent again under the same approval, and under no other", async () => {
    await approved();
    expect(await open("unknown")).toHaveLength(1);
    world.upstream.answer = down;
    expect(codeOf(await put())).toBe("outcome-unknown");
    world.setPolicies(`${byFinance} @id("new") permit(principal, action, resource);`);
    world.upstream.answer = answers;
    expect(JSON.stringify(await put())).toContain("approval-needed");
    world.setPolicies(byFinance);
    expect((await put()).kind).toBe("result");
  });
});

describe("a read that was recorded before it ran and was lost", () => {
  test("is made anew when its caller comes back, and may fail for good", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await world.call("files__read", {}, step, { profile }));
    world.upstream.answer = lost;
    await after(world.call("files__read", {}, step, round(requestState)));
    expect(await open("unknown")).toHaveLength(1);
    world.upstream.answer = down;
    expect(codeOf(await after(world.call("files__read", {}, step)))).toBe("tool-unavailable");
    expect(await open("unknown")).toEqual([]);
    world.upstream.answer = answers;
    expect((await after(world.call("files__read", {}, step))).kind).toBe("result");
  });
});
