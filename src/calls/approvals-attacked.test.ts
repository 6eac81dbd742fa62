import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { ApprovalRequest } from "../approvals/index.ts";
import { approvalTables } from "../approvals/index.ts";
import { msOf, ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Principal } from "../identity/index.ts";
import { ledgerTables } from "../ledger/index.ts";
import { insert, update } from "../store/index.ts";
import type { Row } from "../store/index.ts";
import { ApprovalWorld, approveRule, pendingIn, permitAll, step } from "./approving.fixture.ts";
import { asked, asksOnce, codeOf, profile, round, valueOf } from "./asking.fixture.ts";

const [approvalTable, voteTable, endorsementTable] = approvalTables;
const [, , , , , openCallTable] = ledgerTables;

let here: ApprovalWorld;
const open = async (terms?: string) => {
  await here.world.stop();
  here = await ApprovalWorld.open(terms);
};
beforeEach(async () => {
  here = await ApprovalWorld.open();
});
afterEach(() => here.world.stop());

const sent = () => here.world.upstream.sent;
const identityOf = ({ id, kind, name, roles }: Principal) => ({ id, kind, name, roles });
const actingFor = (...chain: Principal[]) => ({
  authenticate: () => ok({ ...here.world.agent, chain: chain.map(identityOf) }),
});
const edit = ({ approval }: { readonly approval: string }, set: Row) =>
  here.world.store.commit([update(approvalTable, { id: approval }, set)]);

describe("after a yes, nothing runs in its name", () => {
  const repin = async (definition: Record<string, unknown>) => {
    const { world } = here;
    await world.offer([definition]);
    const tool = world.registry.toolsOf(defaultTenant).find(({ name }) => name === "write");
    if (tool === undefined || tool.state.kind !== "quarantined") throw new Error("not quarantined");
    const change = world.registry.approvePin(tool, tool.state.offeredPin);
    if (!change.ok) throw new Error(change.refusal.detail);
    await world.store.commit(change.value.writes);
    change.value.applied();
  };
  const replaced = async (definition: Record<string, unknown>) => {
    await repin(definition);
    here.world.setPolicies(`${permitAll} ${approveRule("group=finance expiry=4h")}`);
    return here.write();
  };

  test.each<[string, () => Promise<unknown>, string]>([
    ["of other arguments", () => here.write(2), "approval-needed"],
    ["of another tool", () => here.world.call("files__put", { key: "k" }), "approval-needed"],
    [
      "of another principal",
      () => here.write(1, {}, { authenticate: () => ok(here.vera) }),
      "approval-needed",
    ],
    [
      "of the same on behalf of somebody",
      () => here.write(1, {}, actingFor(here.carl)),
      "identical-call-open",
    ],
    ["of the same in a run", () => here.write(1, { [metaKeys.run]: "r9" }), "approval-needed"],
    ["of the same as a step", () => here.write(1, step()), "approval-needed"],
    ["of the same under a key", () => here.write(1, { [metaKeys.key]: "k" }), "approval-needed"],
    [
      "of another tenant's agent",
      () => here.write(1, {}, { authenticate: () => ok({ ...here.world.agent, tenant: "other" as never }) }),
      "unknown-tool",
    ],
    [
      "under another pin",
      () => replaced({ name: "write", inputSchema: { type: "object" } }),
      "approval-needed",
    ],
    [
      "under other policies",
      () => {
        here.world.setPolicies(
          `permit(principal, action, resource) when { true }; ${approveRule("group=finance expiry=4h")}`,
        );
        return here.write();
      },
      "approval-needed",
    ],
    [
      "under a rule that asks for more people",
      () => {
        here.world.setPolicies(`${permitAll} ${approveRule("group=finance expiry=4h quorum=2")}`);
        return here.write();
      },
      "approval-needed",
    ],
    [
      "that policy has come to deny",
      () => {
        here.world.setPolicies('permit(principal, action == Action::"read", resource);');
        return here.write();
      },
      "denied",
    ],
    [
      "later than it is good for",
      () => {
        here.world.clock.advance(4 * 3_600_000);
        return here.write();
      },
      "approval-expired",
    ],
  ])("%s", async (_what, call, code) => {
    const pending = pendingIn(await here.write());
    expect(await here.vote(here.vera, pending)).toBe("approved");
    const answer = (await call()) as Parameters<typeof codeOf>[0];
    expect(codeOf(answer)).toBe(code);
    if (code === "approval-needed") expect(pendingIn(answer).approval).not.toBe(pending.approval);
    expect(sent()).toEqual([]);
  });

  test("of the values that it endorsed, under another pin", async () => {
    const terms = "group=finance expiry=4h endorse=/path";
    await open(terms);
    await here.vote(here.vera, pendingIn(await here.write(1, step("s1"))));
    await repin({ name: "write", inputSchema: { type: "object" } });
    here.world.setPolicies(`${permitAll} ${approveRule(terms)}`);
    expect(codeOf(await here.write(2, step("s2")))).toBe("approval-needed");
    expect(sent()).toEqual([]);
  });

  test.each<[string, (request: ApprovalRequest) => Row]>([
    ["another digest", () => ({ intentDigest: "0".repeat(64) })],
    [
      "other rules",
      ({ rules }) => ({ rules: JSON.stringify(rules.map((rule) => ({ ...rule, quorum: 2 }))) }),
    ],
    ["a later expiry", ({ expiresAt }) => ({ expiresAt: msOf(expiresAt) + 1 })],
    ["another nonce", () => ({ nonce: "AAAAAAAAAAAAAAAAAAAAAA" })],
    ["no grant", () => ({ grant: null })],
    ["a grant that says nothing", () => ({ grant: "{}" })],
    ["a grant with one letter changed", ({ grant }) => ({ grant: grant!.replace("person/", "persom/") })],
    [
      "a grant with its votes taken out",
      ({ grant }) => {
        const { text, signature } = JSON.parse(grant!) as { text: string; signature: string };
        return {
          grant: JSON.stringify({ text: JSON.stringify({ ...JSON.parse(text), votes: [] }), signature }),
        };
      },
    ],
  ])("when its row was given %s", async (_what, change) => {
    const pending = pendingIn(await here.write());
    await here.vote(here.vera, pending);
    await edit(pending, change((await here.standing(pending)).request));
    expect(codeOf(await here.write())).toBe("approval-needed");
    expect(sent()).toEqual([]);
  });

  test("a second time, when its row is set back to how it was before it was used", async () => {
    const pending = pendingIn(await here.write());
    await here.vote(here.vera, pending);
    expect(codeOf(await here.write())).toBe("result");
    await edit(pending, { state: "approved" });
    expect(codeOf(await here.write())).toBe("approval-needed");
    const answer = await here.wait(pending.call);
    expect(answer.receipt?.entry).toBe(`${pending.call}:1`); // recalled
    expect(sent()).toHaveLength(1);
  });
});

describe("whoever can only write to the database", () => {
  test.each<[string, (request: ApprovalRequest) => Row]>([
    ["who stands behind it", () => ({ principals: '["agent/other"]' })],
    ["what is shown", () => ({ requestEntry: "call_other:a1" })],
    [
      "how many have to agree",
      ({ rules }) => ({ rules: JSON.stringify(rules.map((rule) => ({ ...rule, quorum: 1 }))) }),
    ],
    ["since when they are asked", () => ({ requestedAt: 0 })],
    ["until when they are asked", ({ expiresAt }) => ({ expiresAt: msOf(expiresAt) + 3_600_000 })],
    ["what is asked about", () => ({ intentDigest: "0".repeat(64) })],
    ["which call it is", () => ({ call: "call_other" })],
    [
      "why they are asked",
      ({ proof }) => ({ reasons: '["It was agreed on the phone"]', reasonsProof: proof }),
    ],
  ])("cannot change %s before people decide: then nobody can", async (_what, change) => {
    await open("group=finance quorum=2");
    const pending = pendingIn(await here.write());
    await edit(pending, change((await here.standing(pending)).request));
    expect(await here.vote(here.vera, pending)).toBe("conflict");
    expect(String(here.world.troubles[0])).toContain("changed in the database");
  });

  const inRun = (name: string, run = "r1") => ({ [metaKeys.run]: run, [metaKeys.step]: name });
  const endorse = async (asked: { readonly approval: string }, by = asked) => {
    const { request } = await here.standing(asked);
    const { tenant, run } = request;
    for (const { policyId, digest } of request.endorses)
      await here.world.store.commit([
        insert(endorsementTable, { tenant, run: run!, policyId, digest, approval: by.approval, at: 0 }),
      ]);
  };

  test("cannot say that people have endorsed what they are only asked about", async () => {
    await open("group=finance endorse=/path");
    await endorse(pendingIn(await here.write(1, inRun("s1"))));
    expect(codeOf(await here.write(2, inRun("s2")))).toBe("approval-needed");
    expect(sent()).toEqual([]);
  });

  test("cannot give a yes to other values, or to another run, as the one that endorsed these", async () => {
    await open("group=finance endorse=/amount");
    const yes = pendingIn(await here.write(1, inRun("s1")));
    await here.vote(here.vera, yes);
    await endorse(pendingIn(await here.write(2, inRun("s2"))), yes);
    await endorse(pendingIn(await here.write(1, inRun("s1", "r2"))), yes);
    expect(codeOf(await here.write(2, inRun("s3")))).toBe("approval-needed");
    expect(codeOf(await here.write(1, inRun("s2", "r2")))).toBe("approval-needed");
    expect(sent()).toEqual([]);
    expect(codeOf(await here.write(1, inRun("s4")))).toBe("result");
  });

  test("cannot pass off a call that people are asked about as one that they let through already", async () => {
    const pending = pendingIn(await here.write(1, step()));
    await edit(pending, { state: "used" });
    await here.world.store.commit([update(openCallTable, { call: pending.call }, { state: "waiting" })]);
    expect(codeOf(await here.write(1, step()))).toBe("approval-needed");
    expect(sent()).toEqual([]);
  });

  test("cannot vote in somebody's name, nor move a vote to another request", async () => {
    await open("group=finance quorum=2");
    const [one, other] = [pendingIn(await here.write(1)), pendingIn(await here.write(2))];
    await here.vote(here.carl, one);
    const real = await here.world.store.get(voteTable, { approval: one.approval, person: here.carl.id });
    await here.world.store.commit([
      insert(voteTable, { ...real!, approval: other.approval }),
      insert(voteTable, { ...real!, person: "person/nobody" }),
    ]);
    expect(await here.vote(here.vera, other)).toBe("pending");
    expect((await here.standing(one)).votes.map(({ person }) => person)).toEqual([here.carl.id]);
    expect(codeOf(await here.write(2))).toBe("approval-needed");
    expect(await here.vote(here.vera, one)).toBe("approved");
  });

  test("cannot make one's vote count for a rule by which one was not asked", async () => {
    here.world.setPolicies(
      `${permitAll} ${approveRule("group=finance")} ${approveRule("group=managers", "m")}`,
    );
    const pending = pendingIn(await here.write());
    await here.vote(here.vera, pending);
    const key = { approval: pending.approval, person: here.vera.id };
    await here.world.store.commit([update(voteTable, key, { rules: "[0,1]" })]);
    expect((await here.standing(pending)).votes).toEqual([]);
  });
});

describe("each rule asks for itself", () => {
  test("one's own yes counts only for the rule that takes it", async () => {
    here.world.setPolicies(
      `${permitAll} ${approveRule("group=finance self=true")} ${approveRule("group=finance self=false", "four-eyes")}`,
    );
    const pending = pendingIn(await here.write(1, {}, actingFor(here.vera)));
    expect(await here.vote(here.vera, pending)).toBe("pending");
    expect(codeOf(await here.write(1, {}, actingFor(here.vera)))).toBe("approval-needed");
    expect(await here.vote(here.carl, pending)).toBe("approved");
  });

  test("a yes does not count for a rule that asks its group only later", async () => {
    here.world.setPolicies(
      `${permitAll} ${approveRule("group=finance")} ${approveRule("group=sales escalate=finance:1h", "sales")}`,
    );
    const pending = pendingIn(await here.write());
    expect(await here.vote(here.vera, pending)).toBe("pending");
    here.world.clock.advance(3_600_000);
    expect(await here.vote(here.carl, pending)).toBe("approved");
  });
});

describe("a call that was decided about", () => {
  test("and denied does not run when policy stops asking", async () => {
    for (const meta of [{}, step()]) {
      const pending = pendingIn(await here.write(1, meta));
      await here.vote(here.vera, pending, "deny");
      here.world.setPolicies(permitAll);
      expect(codeOf(await here.write(1, meta))).toBe("approval-denied");
      expect(sent()).toEqual([]);
      here.world.setPolicies(`${permitAll} ${approveRule("group=finance")}`);
    }
  });

  test("and waited for room until its approval was over does not run", async () => {
    const { world } = here;
    let answerAll = (): void => undefined;
    const held = new Promise<void>((resolve) => (answerAll = resolve));
    const answer = world.upstream.answer;
    world.upstream.answer = async (request) => {
      await held;
      return answer(request);
    };
    world.setPolicies(
      `${permitAll} @id("big") @approve("group=finance expiry=4h") forbid(principal, action == Action::"call", resource) when { context.args has amount && context.args.amount > 0 };`,
    );
    const pending = pendingIn(await here.write());
    await here.vote(here.vera, pending);
    world.clock.advance(4 * 3_600_000 - 1_000);
    // So many calls take all the room that one server has.
    const others = Array.from({ length: 16 }, (_, i) =>
      world.call("files__read", { path: String(i), amount: 0 }),
    );
    while (sent().length < 16) await new Promise((resolve) => setImmediate(resolve));
    const late = here.write();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    world.clock.advance(2_000);
    answerAll();
    await Promise.all(others);
    expect(codeOf(await late)).toBe("approval-expired");
    expect(sent()).toHaveLength(16);
  });
});

describe("the tool that waits", () => {
  test("in a step of its own does not make the awaited call part of that step", async () => {
    const pending = pendingIn(await here.write());
    await here.vote(here.vera, pending);
    expect(codeOf(await here.wait(pending.call, step("waiting")))).toBe("result");
    const keyed = pendingIn(await here.write(2, { [metaKeys.key]: "k" }));
    await here.vote(here.vera, keyed);
    expect(codeOf(await here.wait(keyed.call, step("waiting, too".replaceAll(/\W/g, "-"))))).toBe("result");
    expect(sent()).toHaveLength(2);
    expect(await here.world.outcomes()).toEqual([
      "request:-",
      "intent:-",
      "outcome:succeeded",
      "request:-",
      "intent:-",
      "outcome:succeeded",
    ]);
  });

  test("brings the answers to what the server of the awaited call asks", async () => {
    here.world.upstream.answer = asksOnce;
    const pending = pendingIn(await here.write(1, step()));
    await here.vote(here.vera, pending);
    const { requestState } = asked(await here.wait(pending.call, {}, { profile }));
    const answer = await here.wait(pending.call, {}, round(requestState));
    expect(valueOf(answer)).toMatchObject({ inputResponses: { q: { action: "accept" } } });
    expect(sent()).toHaveLength(2);
  });
});

describe("one principal", () => {
  test("may have a thousand calls waiting for people, and another as many of its own", async () => {
    const codes = [];
    for (let i = 0; i < 1_001; i++) codes.push(codeOf(await here.write(i)));
    expect(codes.filter((code) => code === "approval-needed")).toHaveLength(1_000);
    expect(codes.at(-1)).toBe("too-many-calls");
    expect(codeOf(await here.write(1, {}, { authenticate: () => ok(here.vera) }))).toBe("approval-needed");
    // One of them is decided: there is room for one.
    const page = await here.world.approvals.ofCall(pendingIn(await here.write(0)).call as never);
    await here.vote(here.vera, { approval: page!.id }, "deny");
    here.world.clock.advance(1_000);
    expect(codeOf(await here.write(5_000))).toBe("approval-needed");
    expect(codeOf(await here.write(5_001))).toBe("too-many-calls");
  });
});
