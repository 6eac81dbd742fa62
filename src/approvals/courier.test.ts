import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock, seededRandom } from "../base/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { CallId, EntryId } from "../ledger/index.ts";
import type { WebhookAnswer, WebhookMessage } from "../net/index.ts";
import type { ApprovalRule } from "../policy/index.ts";
import type { MemoryStore } from "../store/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { openMemoryStore } from "../store/index.ts";
import type { ApprovalRequest } from "./index.ts";
import { Approvals, Courier, approvalTables, forgetOtherTargets } from "./index.ts";
import { announcementTable } from "./tables.ts";

const tenant = "tnt_x" as TenantId;
const hourMs = 3_600_000;
const rule: ApprovalRule = {
  policyId: "big",
  group: "finance",
  quorum: 1,
  expiryMs: 30 * 24 * hourMs,
  self: null,
  endorse: [],
  escalation: [{ group: "managers", afterMs: hourMs }],
};
const vera = {
  id: "person/vera",
  kind: "person",
  tenant,
  roles: ["finance"],
  chain: [],
} as unknown as Principal;
const taken: WebhookAnswer = { kind: "taken" };
const broken: WebhookAnswer = { kind: "failed", detail: "it answered with status 500", afterMs: null };

let clock: ManualClock;
let store: MemoryStore;
let approvals: Approvals;
let couriers: Courier[];
let said: { readonly id: string; readonly at: number; readonly body: Record<string, unknown> }[];
let troubles: string[];
let answer: (message: WebhookMessage) => WebhookAnswer | Promise<WebhookAnswer>;

beforeEach(async () => {
  clock = new ManualClock();
  store = openMemoryStore({ clock, tables: [...keyTables, ...approvalTables] });
  await store.start();
  const keys = new Keys({ store, random: seededRandom(2), clock, kek: new Uint8Array(32) });
  await keys.start();
  [couriers, said, troubles] = [[], [], []];
  answer = () => taken;
  approvals = new Approvals({
    clock,
    random: seededRandom(1),
    store,
    keys,
    selfByDefault: false,
    urlOf: () => null,
    targets: () => ["chat"],
    onTrouble: () => undefined,
  });
});
afterEach(async () => {
  await Promise.all(couriers.map((courier) => courier.stop()));
  approvals.stop();
  await store.stop();
});

function courier(target = "chat"): Courier {
  const made = new Courier({
    clock,
    random: seededRandom(couriers.length),
    store,
    target,
    send: async (message) => {
      said.push({ id: message.id, at: Number(clock.wall()), body: JSON.parse(message.body) as never });
      return answer(message);
    },
    urlOf: (id) => `https://box.test/approvals/${id}`,
    nameOf: (_tenant, id) => (id === "agent/payer" ? "payer" : null),
    onTrouble: (doing, thrown) => troubles.push(`${doing}: ${String(thrown)}`),
  });
  couriers.push(made);
  made.start();
  return made;
}

async function asked(call = "call_1"): Promise<ApprovalRequest> {
  const request = await approvals.ask(
    {
      tenant,
      call: call as CallId,
      intentDigest: "a".repeat(64) as never,
      principals: ["agent/payer" as PrincipalId],
      subject: "tool/pay",
      endorses: [],
      name: "bank__pay",
      rules: [rule],
      reasons: ["What the policy says is for those who sign in"],
      run: null,
      step: null,
      requestEntry: `${call}:a1` as EntryId,
    },
    await store.now(),
  );
  if (!request.ok) throw new Error(request.refusal.detail);
  await store.commit(request.value.writes);
  return request.value.request;
}

async function vote(request: ApprovalRequest, kind: "approve" | "deny"): Promise<void> {
  const entry = "act_1:0" as EntryId;
  const cast = { vote: kind, intent: request.intentDigest, entry, at: clock.wall() };
  const voted = await approvals.vote(vera, request.id, cast);
  if (!voted.ok) throw new Error(voted.refusal.detail);
  expect((await store.commit(voted.value.writes)).verdict).toBe("done");
}

/** Lets time pass in steps no longer than a second, and the work in between be done. */
async function pass(ms: number, stepMs = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const types = () => said.map(({ body }) => body["type"]);
const left = () => store.list(announcementTable, { index: "key", limit: 99 });

describe("a webhook", () => {
  test("is told who asks for what, and where it is decided, and nothing of the arguments or the policy", async () => {
    const request = await asked();
    courier();
    await pass(1_000);
    expect(said).toHaveLength(1);
    expect(said[0]?.body).toEqual({
      type: "approval.requested",
      timestamp: new Date(1_767_225_600_000).toISOString(),
      data: {
        approval: request.id,
        call: "call_1",
        tool: "bank__pay",
        requester: { id: "agent/payer", name: "payer" },
        groups: ["finance"],
        url: `https://box.test/approvals/${request.id}`,
        expiresAt: new Date(1_767_225_600_000 + rule.expiryMs).toISOString(),
      },
    });
  });

  test("is told whom a request escalates to when it does, and not before", async () => {
    await asked();
    courier();
    await pass(hourMs - 1_000, 10_000);
    expect(types()).toEqual(["approval.requested"]);
    await pass(2_000);
    expect(types()).toEqual(["approval.requested", "approval.escalated"]);
    expect(said[1]?.body).toMatchObject({
      timestamp: new Date(1_767_225_600_000 + hourMs).toISOString(),
      data: { groups: ["managers"] },
    });
    expect(await left()).toEqual([]);
  });

  test.each(["approve", "deny"] as const)(
    "is told how it was decided, and asks nobody after that: %s",
    async (kind) => {
      const request = await asked();
      courier();
      await pass(1_000);
      await vote(request, kind);
      await pass(2 * hourMs, 10_000);
      expect(types()).toEqual(["approval.requested", "approval.decided"]);
      expect(said[1]?.body).toMatchObject({
        data: { outcome: kind === "approve" ? "approved" : "denied", approval: request.id },
      });
      expect(await left()).toEqual([]);
    },
  );

  test("is told that nobody decided", async () => {
    const request = await asked();
    await store.commit(approvals.expire(request));
    courier();
    await pass(1_000);
    expect(said.map(({ body }) => body)).toMatchObject([
      { type: "approval.decided", data: { outcome: "expired" } },
    ]);
  });

  test("is not asked about what was decided before it could be told", async () => {
    const request = await asked();
    await vote(request, "deny");
    courier();
    await pass(1_000);
    expect(types()).toEqual(["approval.decided"]);
  });

  test("that fails is tried again, later and later, by the same id, and given up after a day", async () => {
    answer = () => broken;
    await asked();
    await asked("call_2");
    courier();
    await pass(26 * hourMs, 5_000);
    const [first] = said;
    const attempts = said.filter(({ id }) => id === first?.id).map(({ at }) => at);
    expect(attempts).toHaveLength(19);
    const waits = attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(10_000);
    expect(waits[4]).toBeGreaterThan(waits[1] ?? 0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2 * hourMs + 5_000);
    expect(attempts.at(-1)! - attempts[0]!).toBeLessThanOrEqual(24 * hourMs);
    expect(troubles.filter((line) => line.includes("given up after 19 attempts"))).toHaveLength(4);
    expect(await left()).toEqual([]);
  });

  test("that wants no more of it is not asked again", async () => {
    answer = () => ({ kind: "gone" });
    await asked();
    courier();
    await pass(30_000);
    expect(said).toHaveLength(1);
    expect(troubles).toEqual([expect.stringContaining("status 410")]);
  });

  test("that asks to be left alone for a while is", async () => {
    answer = () => ({ kind: "failed", detail: "busy", afterMs: 600_000 });
    await asked();
    courier();
    await pass(599_000);
    expect(said).toHaveLength(1);
    await pass(3_000);
    expect(said).toHaveLength(2);
  });

  test("is told once, by one of several nodes", async () => {
    for (let i = 0; i < 20; i++) await asked(`call_${i}`);
    courier();
    courier();
    courier();
    await pass(10_000, 100);
    expect(said).toHaveLength(20);
    expect(new Set(said.map(({ id }) => id)).size).toBe(20);
  });

  test("is told again by the next node when the first one died at it", async () => {
    answer = () => new Promise(() => undefined);
    await asked();
    courier();
    await pass(5_000);
    expect(said).toHaveLength(1);
    answer = () => taken;
    courier();
    await pass(20_000);
    expect(said).toHaveLength(1);
    await pass(10_000);
    expect(said).toHaveLength(2);
    expect(said[0]?.id).toBe(said[1]?.id);
    // The one that hangs is not waited for in `afterEach`: it is dead.
    couriers = [couriers[1]!];
  });

  test("that is configured no more leaves nothing behind", async () => {
    await asked();
    await forgetOtherTargets(store, ["pager"]);
    expect(await left()).toEqual([]);
    await asked("call_2");
    await forgetOtherTargets(store, ["chat"]);
    expect(await left()).toHaveLength(2);
  });
});
