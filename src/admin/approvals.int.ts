import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApprovalRequest } from "../approvals/index.ts";
import type { Sha256Hex } from "../base/index.ts";
import { canonicalJson, newId, ok, systemClock, systemRandom } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";
import type { CallId, Entry, EntryId } from "../ledger/index.ts";
import { entryWrite, sealPayload } from "../ledger/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
let people: string[];
beforeAll(async () => {
  office = await openOffice();
  const admins = ["finance", "admin"];
  people = await Promise.all(
    Array.from({ length: 20 }, (_, i) => office.keyFor(defaultTenant, "person", `p${i}`, admins)),
  );
});
afterAll(() => office.stop());

const errorOf = ({ status, body }: Reply) => [status, body.error?.code];

/** Asks people the way the line does. */
async function ask(
  args: unknown = { amount: 7 },
  more: { quorum?: number; scope?: string; reason?: string } = {},
) {
  const call = newId("call", systemClock.wall(), systemRandom) as CallId;
  const id = `${call}:a1` as EntryId;
  const intentDigest = Buffer.from(systemRandom.bytes(32)).toString("hex") as Sha256Hex;
  const entry: Entry = {
    id,
    kind: "request",
    tenant: defaultTenant,
    at: systemClock.wall(),
    call,
    run: null,
    step: null,
    principals: [office.agentId as PrincipalId],
    method: "tools/call",
    subject: "srv_1/pay",
    versions: {},
    decision: { effect: "approve", policies: ["big"] },
    intentDigest,
    stepDigest: null,
    outcome: null,
    commitments: {},
    after: null,
  };
  const key = await office.keys.scopeKey(more.scope ?? "day/default/test/2026-01-01");
  const sealed = sealPayload(office.keys, key, id, { arguments: canonicalJson(args) });
  const rule = {
    policyId: "big",
    group: "finance",
    quorum: more.quorum ?? 1,
    expiryMs: 3_600_000,
    self: null,
    escalation: [],
    endorse: [],
  };
  const asked = await office.approvals.ask(
    {
      tenant: defaultTenant,
      call,
      intentDigest,
      principals: [office.agentId as PrincipalId],
      subject: "srv_1/pay",
      name: "bank__pay",
      rules: [rule],
      reasons: more.reason === undefined ? null : [more.reason],
      run: null,
      step: null,
      endorses: [],
      requestEntry: id,
    },
    await office.store.now(),
  );
  if (!asked.ok) throw new Error(asked.refusal.detail);
  await office.commit(
    ok({ writes: [entryWrite(entry, sealed).write, ...asked.value.writes], value: null, applied: () => {} }),
  );
  return asked.value.request;
}

const show = (who: string, { id }: ApprovalRequest) => office.send(who, "GET", `/approvals/${id}`);
const vote = (who: string, { id, intentDigest }: ApprovalRequest, verb = "approve", intent?: string) =>
  office.send(who, "POST", `/approvals/${id}/${verb}`, {
    intent: intent ?? intentDigest,
    reason: "as agreed",
  });

describe("a vote over the API", () => {
  test("is a person's of the group that is asked, on what that person was shown", async () => {
    const request = await ask();
    const agent = await office.keyFor(defaultTenant, "agent", "robot", ["finance", "admin"]);
    const service = await office.keyFor(defaultTenant, "service", "cron", ["finance", "admin"]);
    for (const token of [agent, service, office.agent])
      expect(errorOf(await vote(token, request))[0]).toBe(403);
    expect(errorOf(await vote(office.admin, request))).toEqual([403, "forbidden"]);
    const stale = await vote(people[0]!, request, "approve", "0".repeat(64));
    expect(errorOf(stale)).toEqual([409, "conflict"]);
    expect(stale.body.error.detail).toContain("look at it again");
    expect((await office.approvals.standing(defaultTenant, request.id))?.votes).toEqual([]);
    expect((await vote(people[0]!, request)).body).toMatchObject({ isDecided: true });
    expect(await newestEntries(office, 1)).toEqual(["act admin.approval.approve succeeded"]);
  });

  test("on another tenant's request finds nothing, as on one that does not exist", async () => {
    const request = await ask();
    const acme = "acme" as TenantId;
    expect((await office.send(office.systemAdmin, "POST", "/tenants", { id: acme })).status).toBe(201);
    const stranger = await office.keyFor(acme, "person", "eve", ["finance", "admin"]);
    const missing = { ...request, id: `apr_${"0".repeat(26)}` as ApprovalRequest["id"] };
    for (const each of [request, missing]) {
      expect(errorOf(await show(stranger, each))).toEqual([404, "not-found"]);
      for (const verb of ["approve", "deny"]) {
        const answer = await vote(stranger, each, verb);
        expect(errorOf(answer)).toEqual([404, "not-found"]);
        expect(answer.body.error.detail).toBe("There is no such approval.");
      }
    }
    expect((await office.send(stranger, "GET", "/approvals")).body.items).toEqual([]);
  });

  test("of twenty people at the same moment counts twenty times", async () => {
    const request = await ask({}, { quorum: 20 });
    const answers = await Promise.all(people.map((who) => vote(who, request)));
    expect(answers.map(({ status }) => status)).toEqual(people.map(() => 200));
    expect(answers.filter(({ body }) => body.isDecided)).toHaveLength(1);
    const standing = await office.approvals.standing(defaultTenant, request.id);
    expect(standing?.votes).toHaveLength(20);
    expect(standing?.request.state).toBe("approved");
  });

  test("cast twice at the same moment by one person counts once, and says so", async () => {
    const request = await ask({}, { quorum: 2 });
    const answers = await Promise.all([vote(people[0]!, request), vote(people[0]!, request)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.error.detail).toBe("you have voted already");
  });

  test("for and against at the same moment: one no stands, and the other is told", async () => {
    const request = await ask();
    const answers = await Promise.all([vote(people[0]!, request), vote(people[1]!, request, "deny")]);
    const late = answers.find(({ status }) => status === 409);
    expect(late?.body.error.detail).toMatch(/this request is (approved|denied), nobody is asked any more/);
  });
});

describe("what a person is shown", () => {
  test("is all of two megabytes, and signs that hide stand as their numbers", async () => {
    const text = `pay ‮alice​${"x".repeat(2_000_000)}`;
    const { body } = await show(people[0]!, await ask({ text }));
    expect(JSON.parse(body.arguments)).toEqual({ text });
    expect(body.shown).toContain("pay ⟨U+202E⟩alice⟨U+200B⟩xxx");
    expect(body.shown).not.toContain("‮");
    expect(body.shown.length).toBeGreaterThan(2_000_000);
  });

  test("says why, in the list too, where the policy does", async () => {
    const request = await ask({}, { reason: "Payments \u202ebeyond\u200b <b>1000</b>" });
    const silent = await ask();
    const reason = "Payments ⟨U+202E⟩beyond⟨U+200B⟩ <b>1000</b>";
    const ruleOf = ({ body }: Reply) => body.approval.rules[0];
    expect(ruleOf(await show(people[0]!, request))).toMatchObject({ policy: "big", reason });
    expect(ruleOf(await show(people[0]!, silent))).toMatchObject({ policy: "big", reason: null });
    const { items } = (await office.send(people[0]!, "GET", "/approvals?limit=500")).body;
    const listed = (items as { id: string; rules: { reason: string | null }[] }[]).map(
      ({ id, rules }) => [id, rules[0]?.reason] as const,
    );
    expect(listed).toContainEqual([request.id, reason]);
    expect(listed).toContainEqual([silent.id, null]);
    expect((await vote(people[0]!, request)).body.approval.rules[0].reason).toBe(reason);
  });

  test("does not grow a hundredfold because it is nested deeply", async () => {
    let nested: unknown = Array.from({ length: 200_000 }, () => 0);
    for (let i = 0; i < 60; i++) nested = [nested];
    const { body } = await show(people[0]!, await ask({ nested }));
    expect(body.shown.length).toBeLessThan(1_000_000);
  });

  test("is nothing once it was erased; then nobody can say yes to it, only no", async () => {
    const request = await ask({ iban: "secret" }, { scope: "run/default/erased" });
    await office.commit(ok(await office.keys.eraseScope("run/default/erased")));
    expect((await show(people[0]!, request)).body).toMatchObject({ arguments: null, shown: null });
    expect(errorOf(await vote(people[0]!, request))).toEqual([410, "erased"]);
    expect((await vote(people[0]!, request, "deny")).status).toBe(200);
  });
});
