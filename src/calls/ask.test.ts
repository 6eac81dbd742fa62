import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askToolName } from "../../contract/index.ts";
import { ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId } from "../ledger/index.ts";
import { askBytesMax, noCapabilities, profileOf } from "../registry/index.ts";
import { ApprovalWorld, pendingIn, permitAll, step } from "./approving.fixture.ts";
import type { CallAnswer, CallInput } from "./call.ts";

const rule = (terms = "group=finance expiry=4h", when = "") =>
  `${permitAll} @id("asks") @approve("${terms}") forbid(principal, action == Action::"call", resource == Tool::"signalbox/ask")${when};`;

let people: ApprovalWorld;
beforeEach(async () => {
  people = await ApprovalWorld.open();
  people.world.setPolicies(rule());
});
afterEach(() => people.world.stop());

const plan = { question: "May I send it?", details: "To 300 people.", data: { to: 300, text: "Dear all" } };
const ask = (given: object = plan, meta: Record<string, unknown> = {}, more: Partial<CallInput> = {}) =>
  people.world.call(askToolName, { ...given }, meta, more);
const refusalOf = (answer: CallAnswer) =>
  answer.kind === "refused" ? answer.refusal : { code: answer.kind, detail: "" };
const structuredOf = (answer: CallAnswer): Record<string, unknown> => {
  if (answer.kind !== "result") throw new Error(JSON.stringify(answer));
  return (JSON.parse(answer.text) as { structuredContent: Record<string, unknown> }).structuredContent;
};

describe("asking people about something of one's own", () => {
  test("waits for their yes, and gives back what they said it to, and who", async () => {
    const pending = pendingIn(await ask());
    expect(await people.vote(people.vera, pending)).toBe("approved");
    expect(structuredOf(await people.wait(pending.call))).toEqual({
      approved: true,
      approvals: [pending.approval],
      endorsed: [],
      by: [people.vera.id],
      asked: plan,
    });
    expect(people.world.upstream.sent).toEqual([]);
    const entries = await people.world.ledger.entriesOfCall(defaultTenant, pending.call as never);
    expect(entries.map(({ entry }) => entry.kind)).toEqual(["request", "intent", "outcome"]);
    expect(entries[2]?.entry).toMatchObject({
      subject: "signalbox/ask",
      versions: { approval: pending.approval },
    });
    expect((await people.standing(pending)).request).toMatchObject({ state: "used", name: askToolName });
  });

  test("names everybody of a quorum", async () => {
    people.world.setPolicies(rule("group=finance quorum=2"));
    const pending = pendingIn(await ask());
    await people.vote(people.carl, pending);
    await people.vote(people.vera, pending);
    expect(structuredOf(await ask())["by"]).toEqual([people.carl.id, people.vera.id]);
  });

  test("is refused when one of them says no", async () => {
    const pending = pendingIn(await ask());
    await people.vote(people.vera, pending, "deny");
    expect(refusalOf(await people.wait(pending.call)).code).toBe("approval-denied");
  });

  test("is refused when nobody decides in time", async () => {
    people.world.setPolicies(rule("group=finance expiry=1s"));
    const pending = pendingIn(await ask());
    expect(refusalOf(await people.wait(pending.call)).code).toBe("approval-expired");
  });

  test("is good for one time, and for what was asked alone", async () => {
    const first = pendingIn(await ask());
    await people.vote(people.vera, first);
    for (const other of [
      { ...plan, question: "May I send it now?" },
      { ...plan, details: "To 301 people." },
      { ...plan, data: { ...plan.data, to: 301 } },
      { question: plan.question },
    ])
      expect(pendingIn(await ask(other)).approval).not.toBe(first.approval);
    expect(structuredOf(await ask())["asked"]).toEqual(plan);
    expect(pendingIn(await ask()).approval).not.toBe(first.approval);
  });

  test("under a step gives the same yes for ever, and another question under it is drift", async () => {
    const pending = pendingIn(await ask(plan, step()));
    expect(refusalOf(await ask({ question: "And this?" }, step())).code).toBe("step-mismatch");
    await people.vote(people.vera, pending);
    const answer = await ask(plan, step());
    people.world.setPolicies(permitAll);
    expect(await ask(plan, step())).toEqual(answer);
    expect(refusalOf(await ask({ question: "And this?" }, step())).code).toBe("step-mismatch");
  });

  test("endorses values for its run, and says by whose yes", async () => {
    people.world.setPolicies(rule("group=finance endorse=/data/to"));
    const pending = pendingIn(await ask(plan, step("a")));
    await people.vote(people.vera, pending);
    await ask(plan, step("a"));
    const again = structuredOf(await ask({ question: "And a reminder?", data: { to: 300 } }, step("b")));
    expect(again).toMatchObject({ approvals: [], endorsed: [pending.approval], by: [people.vera.id] });
    pendingIn(await ask({ question: "And a reminder?", data: { to: 301 } }, step("c")));
  });
});

test("a caller that knows tasks is given one, which ends with the yes", async () => {
  const { line, agent } = people.world;
  const profile = profileOf({ extensions: { "io.modelcontextprotocol/tasks": {} } });
  const asked = await ask(plan, {}, { profile });
  const { taskId } = JSON.parse(asked.kind === "task" ? asked.text : "{}") as { readonly taskId: string };
  const look = async (): Promise<Record<string, unknown>> => {
    const answer = await line.task({
      requestId: "req_t",
      authenticate: () => ok(agent),
      method: "tasks/get",
      taskId,
      inputResponses: null,
      profile,
      signal: new AbortController().signal,
    });
    return JSON.parse(answer.kind === "result" ? answer.text : "{}") as Record<string, unknown>;
  };
  expect(await look()).toMatchObject({ status: "working" });
  const request = await people.world.approvals.ofCall(taskId as CallId);
  await people.vote(people.vera, { approval: request?.id ?? "" });
  let task = await look();
  const ended = (async () => {
    while (task["status"] === "working") task = await look();
  })();
  await people.world.tickUntil(ended);
  expect(task).toMatchObject({
    status: "completed",
    result: { structuredContent: { approved: true, by: [people.vera.id], asked: plan } },
  });
});

describe("what is no yes", () => {
  test("that policy permits it and asks nobody", async () => {
    people.world.setPolicies(permitAll);
    const { code, detail } = refusalOf(await ask());
    expect(code).toBe("denied");
    expect(detail).toContain("Nobody was asked");
    expect(await people.world.outcomes()).toEqual(["outcome:denied"]);
  });

  test("that policy has stopped asking while people were thinking", async () => {
    for (const isApproved of [false, true]) {
      people.world.setPolicies(rule());
      const pending = pendingIn(await ask(plan, step(`stopped-${isApproved}`)));
      if (isApproved) await people.vote(people.vera, pending);
      people.world.setPolicies(permitAll);
      expect(refusalOf(await ask(plan, step(`stopped-${isApproved}`))).code).toBe("denied");
      expect(refusalOf(await people.wait(pending.call)).code).toBe("denied");
    }
  });

  test("that a rule asks about other questions", async () => {
    people.world.setPolicies(rule("group=finance", ' when { context.args.question like "*pay*" }'));
    expect(refusalOf(await ask()).code).toBe("denied");
    pendingIn(await ask({ question: "May I pay it?" }));
  });

  test("that a policy forbids it, whatever else asks people", async () => {
    people.world.setPolicies(
      `${rule()} forbid(principal, action == Action::"call", resource in Server::"signalbox");`,
    );
    expect(refusalOf(await ask()).code).toBe("denied");
  });

  test("somebody else's: another agent, another tenant", async () => {
    const pending = pendingIn(await ask(plan, step()));
    await people.vote(people.vera, pending);
    const other = { ...people.world.agent, id: "agent/agt_other" } as Principal;
    const elsewhere = { ...people.world.agent, tenant: "elsewhere" } as Principal;
    for (const thief of [other, elsewhere]) {
      const stolen = await people.world.call("signalbox__wait", { call: pending.call }, {}, as(thief));
      expect(refusalOf(stolen).code).toBe("invalid-arguments");
    }
    expect(pendingIn(await ask(plan, step(), as(other))).approval).not.toBe(pending.approval);
    expect(refusalOf(await ask(plan, step(), as(elsewhere))).code).toBe("denied");
  });
});

const as = (principal: Principal): Partial<CallInput> => ({
  authenticate: () => ({ ok: true, value: principal }),
});

test("a question that people could not be shown is refused before anybody is", async () => {
  for (const given of [
    {},
    { question: "" },
    { question: "x".repeat(1_001) },
    { question: "x", details: "x".repeat(16_001) },
    { question: "x", data: "x".repeat(askBytesMax) },
    { question: "x", approved: true },
  ])
    expect(refusalOf(await ask(given)).code).toBe("invalid-arguments");
});

test("it is listed where some policy asks people about it, and nowhere else", async () => {
  const names = async () => {
    const listing = await people.world.line.list("tools", people.world.agent, noCapabilities);
    return listing.items.map((item) => (JSON.parse(item) as { name: string }).name);
  };
  expect(await names()).toContain(askToolName);
  people.world.setPolicies(permitAll);
  expect(await names()).not.toContain(askToolName);
  const aboutPayments = `${permitAll} @approve("group=finance") forbid(principal, action, resource == Tool::"files/write");`;
  people.world.setPolicies(aboutPayments);
  expect(await names()).not.toContain(askToolName);
  people.world.setPolicies(rule().replace("forbid(principal", "forbid(principal is Person"));
  expect(await names()).not.toContain(askToolName);
});
