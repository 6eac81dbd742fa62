import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PendingApproval } from "../../contract/index.ts";
import { metaKeys, waitToolName } from "../../contract/index.ts";
import type { ApprovalId } from "../approvals/index.ts";
import { elapsedMs, ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Principal, PrincipalId } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { EntryId } from "../ledger/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import { update } from "../store/index.ts";
import { approvalTables } from "../approvals/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import { recoverCalls } from "./recover.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

const rule = (terms: string, when = "") =>
  `permit(principal, action, resource); @id("big") @approve("${terms}") forbid(principal, action == Action::"call", resource)${when};`;
const byFinance = rule("group=finance expiry=4h");

let world: World;
let vera: Principal;
let carl: Principal;
beforeEach(async () => {
  world = await openWorld(byFinance);
  vera = await world.person("vera", ["finance"]);
  carl = await world.person("carl", ["finance", "managers"]);
});
afterEach(() => world.stop());

const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);

function pendingIn(answer: CallAnswer): PendingApproval {
  if (answer.kind !== "refused" || answer.refusal.pending === undefined)
    throw new Error(JSON.stringify(answer));
  return answer.refusal.pending;
}

const write = (more: Partial<CallInput> = {}, meta: Record<string, unknown> = {}, amount = 1) =>
  world.call("files__write", { path: "a", amount }, meta, more);
const step = (name = "s1") => ({ [metaKeys.run]: "r1", [metaKeys.step]: name });
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const wait = (call: string, more: Partial<CallInput> = {}) =>
  world.call(waitToolName, { call, seconds: 60 }, {}, more);

let votes = 0;
async function vote(
  who: Principal,
  { approval }: { readonly approval: string },
  kind: "approve" | "deny" = "approve",
) {
  const id = approval as ApprovalId;
  const standing = await world.approvals.standing(who.tenant, id);
  const intent = standing?.request.intentDigest ?? "";
  const entry = `act_test${votes++}:0` as EntryId;
  const voted = await world.approvals.vote(who, id, { vote: kind, intent, entry, at: world.clock.wall() });
  if (!voted.ok) return voted.refusal.code;
  const verdict = await world.store.commit(voted.value.writes);
  if (verdict.verdict !== "done") return "conflict";
  world.approvals.decided(id);
  return voted.value.state;
}

const stateOf = async ({ approval }: PendingApproval) =>
  (await world.approvals.standing(defaultTenant, approval as ApprovalId))?.request.state;

describe("a call that people have to approve", () => {
  test("waits, on record, and is sent once they have said yes and its caller has come back", async () => {
    const pending = pendingIn(await write());
    expect(world.upstream.sent).toEqual([]);
    expect(await world.outcomes()).toEqual(["request:-"]);
    expect(await listOpenCalls(world.store, defaultTenant, "pending", { limit: 9 })).toHaveLength(1);

    expect(await vote(vera, pending)).toBe("approved");
    expect(world.upstream.sent).toEqual([]);
    expect(codeOf(await write())).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
    expect(await world.outcomes()).toEqual(["request:-", "intent:-", "outcome:succeeded"]);
    const entries = await world.ledger.entriesOfCall(defaultTenant, pending.call as never);
    expect(entries.map(({ entry }) => entry.kind)).toEqual(["request", "intent", "outcome"]);
    expect(entries[1]?.entry).toMatchObject({
      after: `${pending.call}:a1`,
      versions: { approval: pending.approval },
      intentDigest: entries[0]?.entry.intentDigest,
    });
    expect(await stateOf(pending)).toBe("used");
  });

  test("is one call, however often its caller asks while people think", async () => {
    const first = pendingIn(await write());
    expect(pendingIn(await write())).toEqual(first);
    expect(await world.outcomes()).toEqual(["request:-"]);
  });

  test("needs another yes for the next time", async () => {
    const first = pendingIn(await write());
    await vote(vera, first);
    await write();
    const second = pendingIn(await write());
    expect(second.approval).not.toBe(first.approval);
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("named by a step is the same call after any time, and its outcome is recalled", async () => {
    const pending = pendingIn(await write({}, step()));
    await vote(vera, pending);
    const answer = await write({}, step());
    expect(codeOf(answer)).toBe("result");
    expect(answer.receipt?.entry).toBe(`${pending.call}:1`);
    expect(await write({}, step())).toEqual(answer);
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("is taken up by the tool that waits, which answers with its result", async () => {
    const pending = pendingIn(await write());
    const waiting = wait(pending.call);
    await vote(vera, pending);
    await world.tickUntil(waiting);
    const answer = await waiting;
    expect(codeOf(answer)).toBe("result");
    expect(world.upstream.sent).toMatchObject([{ name: "write", argumentsText: '{"amount":1,"path":"a"}' }]);
    expect(await wait(pending.call)).toEqual(answer);
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("keeps nothing of whoever waited", async () => {
    const waited = async () => {
      const caller = new AbortController();
      const pending = pendingIn(await write());
      const waiting = wait(pending.call, { signal: caller.signal });
      await vote(vera, pending);
      await world.tickUntil(waiting);
      await waiting;
      return new WeakRef(caller.signal);
    };
    const gone = await waited();
    world.upstream.sent.length = 0; // the test's own server remembers
    await expect.poll(() => (collect(), gone.deref() === undefined)).toBe(true);
  });

  test("is still waiting when the waiting has taken too long, and says so", async () => {
    const pending = pendingIn(await write());
    const seen: unknown[] = [];
    const waiting = wait(pending.call, { onProgress: (each) => seen.push(each["message"]) });
    await world.tickUntil(waiting);
    expect(pendingIn(await waiting)).toEqual(pending);
    expect(seen.length).toBeGreaterThan(5);
  });

  test("lets go of whoever waits when its node stops", async () => {
    const pending = pendingIn(await write());
    let isWaiting = (): void => undefined;
    const waits = new Promise<void>((resolve) => (isWaiting = resolve));
    const waiting = wait(pending.call, { onProgress: isWaiting });
    await waits;
    world.approvals.stop();
    expect(pendingIn(await waiting)).toEqual(pending);
    expect(pendingIn(await wait(pending.call))).toEqual(pending);
  });

  test("can be waited for by nobody else", async () => {
    const pending = pendingIn(await write());
    const other = { authenticate: () => ok(vera) };
    expect(codeOf(await wait(pending.call, other))).toBe("invalid-arguments");
    expect(codeOf(await wait("call_nothing"))).toBe("invalid-arguments");
  });

  test("survives the death of its node", async () => {
    const pending = pendingIn(await write({}, step()));
    const node = { name: "local", fence: 99 };
    expect(await recoverCalls({ ...world, node })).toBe(0);
    const second = await world.secondNode();
    await vote(vera, pending);
    const args = { path: "a", amount: 1 };
    expect(codeOf(await second.call("files__write", args, step()))).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
    await second.stop();
  });

  test("fails as any other when its tool is not there, and can be made again under the same yes", async () => {
    const pending = pendingIn(await write());
    await vote(vera, pending);
    const [server] = world.registry.serversOf(defaultTenant);
    const since = world.clock.wall();
    world.registry.reportHealth(server!.id, {
      state: "down",
      cause: "dependency",
      reason: "gone",
      since,
    } as never);
    expect(codeOf(await write())).toBe("tool-unavailable");
    world.registry.reportHealth(server!.id, { state: "healthy", since });
    expect(codeOf(await write())).toBe("result");
    expect(await stateOf(pending)).toBe("used");
  });

  test("of a read records its intent first, because it uses up a yes", async () => {
    const read = () => world.call("files__read", { path: "a" });
    await vote(vera, pendingIn(await read()));
    expect(codeOf(await read())).toBe("result");
    expect(await world.outcomes()).toEqual(["request:-", "intent:-", "outcome:succeeded"]);
    expect(await listOpenCalls(world.store, defaultTenant, "dispatched", { limit: 9 })).toEqual([]);
  });

  test("goes on without them when policy no longer asks, and the request is void", async () => {
    const pending = pendingIn(await write());
    world.setPolicies("permit(principal, action, resource);");
    expect(codeOf(await write())).toBe("result");
    expect(await stateOf(pending)).toBe("void");
    world.setPolicies(byFinance);
    const stepped = pendingIn(await write({}, step(), 7));
    world.setPolicies("permit(principal, action, resource);");
    expect(codeOf(await write({}, step(), 7))).toBe("result");
    expect(await stateOf(stepped)).toBe("void");
  });
});

describe("one yes", () => {
  test("is used once, by a hundred that come back at the same moment", async () => {
    const pending = pendingIn(await write({}, step()));
    await vote(vera, pending);
    world.upstream.answer = async () => {
      await Promise.resolve();
      return resultOf('{"content":[]}');
    };
    const all = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? write({}, step()) : wait(pending.call)));
    await world.tickUntil(Promise.allSettled(all));
    const answers = await Promise.all(all);
    expect(world.upstream.sent).toHaveLength(1);
    expect(new Set(answers.map(codeOf))).toEqual(new Set(["result"]));
    expect(await stateOf(pending)).toBe("used");
  });

  test("is used once without a step, too", async () => {
    const pending = pendingIn(await write());
    await vote(vera, pending);
    const all = Array.from({ length: 100 }, () => wait(pending.call));
    await world.tickUntil(Promise.allSettled(all));
    expect(new Set((await Promise.all(all)).map(codeOf))).toEqual(new Set(["result"]));
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("is for this principal, and not for another that asks for the same", async () => {
    const pending = pendingIn(await write());
    await vote(vera, pending);
    const boss = { id: carl.id, kind: carl.kind, name: carl.name, roles: carl.roles };
    const onBehalf = { authenticate: () => ok({ ...world.agent, chain: [boss] }) };
    expect(codeOf(await write(onBehalf))).toBe("identical-call-open");
    expect(codeOf(await write({ authenticate: () => ok(vera) }))).toBe("approval-needed");
    expect(world.upstream.sent).toEqual([]);
  });

  test.each([
    ["another argument", () => write({}, {}, 2)],
    ["another tool", () => world.call("files__read", { path: "a", amount: 1 })],
    ["another run", () => write({}, { [metaKeys.run]: "other" })],
  ])("is not for %s", async (_what, other) => {
    const pending = pendingIn(await write());
    await vote(vera, pending);
    expect(pendingIn(await other()).approval).not.toBe(pending.approval);
    expect(world.upstream.sent).toEqual([]);
  });

  test("is not for the same step with other arguments", async () => {
    await vote(vera, pendingIn(await write({}, step())));
    expect(codeOf(await write({}, step(), 2))).toBe("step-mismatch");
    expect(world.upstream.sent).toEqual([]);
  });

  test("is void when the policies that decide about the tool have changed", async () => {
    const pending = pendingIn(await write({}, step()));
    await vote(vera, pending);
    world.setPolicies(rule("group=finance expiry=4h", " when { true }"));
    const anew = pendingIn(await write({}, step()));
    expect(anew.call).toBe(pending.call);
    expect(anew.approval).not.toBe(pending.approval);
    expect(await stateOf(pending)).toBe("void");
    expect(world.upstream.sent).toEqual([]);
    await vote(vera, anew);
    expect(codeOf(await write({}, step()))).toBe("result");
  });

  test("is void when the tool's definition has changed", async () => {
    const pending = pendingIn(await write({}, step()));
    await vote(vera, pending);
    await world.offer([
      { name: "write", inputSchema: { type: "object" }, description: "also tells the neighbours" },
    ]);
    const tool = world.registry.toolsOf(defaultTenant).find(({ name }) => name === "write");
    if (tool === undefined || tool.state.kind !== "quarantined") throw new Error("not quarantined");
    const approved = world.registry.approvePin(tool, tool.state.offeredPin);
    if (!approved.ok) throw new Error(approved.refusal.detail);
    await world.store.commit(approved.value.writes);
    approved.value.applied();
    world.setPolicies(byFinance);
    expect(pendingIn(await write({}, step())).approval).not.toBe(pending.approval);
    expect(world.upstream.sent).toEqual([]);
  });

  test("expires, and the call with it", async () => {
    const pending = pendingIn(await write({}, step()));
    await vote(vera, pending);
    world.clock.advance(4 * 3_600_000);
    const late = await write({}, step());
    expect(codeOf(late)).toBe("approval-expired");
    expect(late.receipt?.entry).toBe(`${pending.call}:1`);
    expect(world.upstream.sent).toEqual([]);
    // The step is free again, and asks again.
    expect(pendingIn(await write({}, step())).call).not.toBe(pending.call);
  });

  test("expires under whoever waits for it, who is told then", async () => {
    world.setPolicies(rule("group=finance expiry=30s"));
    const pending = pendingIn(await write());
    const startedAt = world.clock.monotonic();
    const waiting = wait(pending.call);
    await world.tickUntil(waiting);
    expect(codeOf(await waiting)).toBe("approval-expired");
    expect(await stateOf(pending)).toBe("expired");
    // Not when the waiting was to end, and not by housekeeping: both take a minute.
    expect(elapsedMs(world.clock.monotonic(), startedAt)).toBeLessThan(40_000);
  });

  test("cannot be written into the database", async () => {
    const pending = pendingIn(await write());
    const [approvalTable] = approvalTables;
    const forged = { state: "approved", grant: JSON.stringify({ text: "{}", signature: "AAAA" }) };
    await world.store.commit([update(approvalTable, { id: pending.approval }, forged)]);
    expect(codeOf(await write())).toBe("approval-needed");
    expect(world.upstream.sent).toEqual([]);
    expect(String(world.troubles[0])).toContain("does not prove itself");
  });

  test("for one request does not pass for another's", async () => {
    const [one, other] = [pendingIn(await write()), pendingIn(await write({}, {}, 2))];
    await vote(vera, one);
    const signed = await world.approvals.standing(defaultTenant, one.approval as ApprovalId);
    const [approvalTable] = approvalTables;
    const stolen = { state: "approved", grant: signed!.request.grant };
    await world.store.commit([update(approvalTable, { id: other.approval }, stolen)]);
    expect(codeOf(await write({}, {}, 2))).toBe("approval-needed");
    expect(world.upstream.sent).toEqual([]);
  });
});

describe("a no", () => {
  test("ends the call, and tells its caller why", async () => {
    const pending = pendingIn(await write({}, step()));
    expect(await vote(vera, pending, "deny")).toBe("denied");
    const answer = await write({}, step());
    expect(codeOf(answer)).toBe("approval-denied");
    expect(await world.outcomes()).toEqual(["request:-", "outcome:approval-denied"]);
    expect(await listOpenCalls(world.store, defaultTenant, "pending", { limit: 9 })).toEqual([]);
    expect(pendingIn(await write({}, step())).call).not.toBe(pending.call);
  });

  test("wakes whoever waits", async () => {
    const pending = pendingIn(await write());
    const waiting = wait(pending.call);
    await vote(vera, pending, "deny");
    await world.tickUntil(waiting);
    expect(codeOf(await waiting)).toBe("approval-denied");
    expect(codeOf(await wait(pending.call))).toBe("approval-denied");
  });

  test("of one stands against any yes", async () => {
    world.setPolicies(rule("group=finance quorum=2"));
    const pending = pendingIn(await write());
    expect(await vote(vera, pending)).toBe("pending");
    expect(await vote(carl, pending, "deny")).toBe("denied");
    expect(await vote(carl, pending)).toBe("conflict");
  });
});

describe("who decides", () => {
  test("is as many different people as the rule wants", async () => {
    world.setPolicies(rule("group=finance quorum=2"));
    const pending = pendingIn(await write());
    expect(await vote(vera, pending)).toBe("pending");
    expect(await vote(vera, pending)).toBe("conflict");
    expect(codeOf(await write())).toBe("approval-needed");
    expect(await vote(carl, pending)).toBe("approved");
  });

  test("is somebody of each rule's group", async () => {
    world.setPolicies(
      `${byFinance} @id("m") @approve("group=managers") forbid(principal, action, resource);`,
    );
    const pending = pendingIn(await write());
    expect(await vote(vera, pending)).toBe("pending");
    expect(await vote(carl, pending)).toBe("approved");
  });

  test("is no agent and no service, nobody of another group, and nobody who stands behind the call", async () => {
    const otto = await world.person("otto", ["sales"]);
    // Of the group, and strangers to the call: only what they are is against them.
    const nobodys = ["agent", "service"] as const;
    const robots = nobodys.map((kind): Principal => ({ ...carl, id: `${kind}/other` as PrincipalId, kind }));
    const behind = { id: vera.id, kind: vera.kind, name: vera.name, roles: vera.roles };
    const pending = pendingIn(await write({ authenticate: () => ok({ ...world.agent, chain: [behind] }) }));
    expect(await vote(otto, pending)).toBe("forbidden");
    for (const robot of robots) expect(await vote(robot, pending)).toBe("forbidden");
    expect(await vote({ ...carl, chain: [behind] }, pending)).toBe("forbidden");
    expect(await vote(vera, pending)).toBe("forbidden");
    expect(await vote(carl, pending)).toBe("approved");
  });

  test("may be somebody who stands behind the call where the rule says so", async () => {
    world.setPolicies(rule("group=finance self=true"));
    const behind = { id: vera.id, kind: vera.kind, name: vera.name, roles: vera.roles };
    const pending = pendingIn(await write({ authenticate: () => ok({ ...world.agent, chain: [behind] }) }));
    expect(await vote(vera, pending)).toBe("approved");
  });

  test("is somebody else as well, when nobody has for a while", async () => {
    world.setPolicies(rule("group=sales expiry=4h escalate=managers:1h"));
    const pending = pendingIn(await write());
    expect(await vote(carl, pending)).toBe("forbidden");
    world.clock.advance(3_600_000);
    expect(await vote(carl, pending)).toBe("approved");
  });

  test("sees the intent that is asked about", async () => {
    const { approval } = pendingIn(await write());
    const entry = "act_x:0" as EntryId;
    const cast = { vote: "approve" as const, intent: "0".repeat(64), entry, at: world.clock.wall() };
    expect(await world.approvals.vote(carl, approval as ApprovalId, cast)).toMatchObject({
      ok: false,
      refusal: { code: "conflict" },
    });
  });
});

describe("a yes that endorses a value", () => {
  beforeEach(() => world.setPolicies(rule("group=finance endorse=/path")));

  test("holds for its run, for this value at this place of this tool, and every call says by whose word", async () => {
    const pending = pendingIn(await write({}, step("s1")));
    await vote(vera, pending);
    expect(codeOf(await write({}, step("s1")))).toBe("result");
    const answer = await write({}, step("s2"), 99);
    expect(codeOf(answer)).toBe("result");
    const intent = await world.ledger.entry(
      defaultTenant,
      answer.receipt!.entry.replace(/:1$/, ":0") as EntryId,
    );
    expect(intent?.entry.versions).toMatchObject({ endorsed: pending.approval });
    const other = world.call("files__write", { path: "b", amount: 1 }, step("s3"));
    expect(codeOf(await other)).toBe("approval-needed");
    const otherTool = world.call("files__read", { path: "a" }, step("s4"));
    expect(codeOf(await otherTool)).toBe("approval-needed");
    const otherRun = { [metaKeys.run]: "r2", [metaKeys.step]: "s1" };
    expect(codeOf(await write({}, otherRun))).toBe("approval-needed");
    expect(codeOf(await write())).toBe("approval-needed");
  });

  test("endorses nothing by being asked for, or by a no", async () => {
    const pending = pendingIn(await write({}, step("s1")));
    expect(codeOf(await write({}, step("s2"), 2))).toBe("approval-needed");
    await vote(vera, pending, "deny");
    expect(codeOf(await write({}, step("s3"), 3))).toBe("approval-needed");
  });

  test("ends with the terms it was given under", async () => {
    await vote(vera, pendingIn(await write({}, step("s1"))));
    world.setPolicies(rule("group=finance quorum=2 endorse=/path"));
    expect(codeOf(await write({}, step("s2"), 2))).toBe("approval-needed");
  });
});

describe("a caller that can be asked", () => {
  const byUrl = profileOf({ elicitation: { url: {} } });
  const asked = (answer: CallAnswer) => {
    if (answer.kind !== "input-required") throw new Error(JSON.stringify(answer));
    return JSON.parse(answer.text) as {
      inputRequests: Record<string, { params: Record<string, unknown> }>;
      requestState: string;
    };
  };
  const round = (requestState: string, action = "accept") => ({
    profile: byUrl,
    round: { inputResponses: { approval: { action } }, requestState },
  });

  test("gets a link in a round, waits when it comes back, and gets the result", async () => {
    const first = asked(await write({ profile: byUrl }));
    const { url, mode } = first.inputRequests["approval"]!.params;
    expect(mode).toBe("url");
    const approval = String(url).split("/").at(-1)!;
    const second = write(round(first.requestState));
    await vote(vera, { approval });
    await world.tickUntil(second);
    expect(codeOf(await second)).toBe("result");
    // What the client said to our question is none of its server's business.
    expect(world.upstream.sent).toMatchObject([{ round: null }]);
  });

  test("is asked again while nobody has decided, and told when it does not want to be asked", async () => {
    const first = asked(await write({ profile: byUrl }));
    const second = write(round(first.requestState));
    await world.tickUntil(second);
    expect(asked(await second).inputRequests).toEqual(first.inputRequests);
    expect(codeOf(await write(round(first.requestState, "decline")))).toBe("approval-needed");
  });

  test("cannot bring its state to another request", async () => {
    const first = asked(await write({ profile: byUrl }));
    const approval = String(first.inputRequests["approval"]!.params["url"]).split("/").at(-1)!;
    await vote(vera, { approval });
    expect(codeOf(await write(round(first.requestState), {}, 2))).toBe("state-invalid");
    expect(codeOf(await write({ ...round(first.requestState), authenticate: () => ok(vera) }))).toBe(
      "state-invalid",
    );
    expect(world.upstream.sent).toEqual([]);
    expect(codeOf(await write(round(first.requestState)))).toBe("result");
    expect(codeOf(await write(round(first.requestState)))).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("in its session is shown where, and is answered when people have decided", async () => {
    const shown: unknown[] = [];
    const ask: CallInput["ask"] = async (requests) => {
      shown.push(requests["approval"]?.params["url"]);
      return { approval: { kind: "answer", result: { action: "accept" } } };
    };
    const calling = write({ profile: byUrl, ask });
    await world.tickUntil(Promise.race([calling, new Promise((resolve) => setImmediate(resolve))]));
    while (shown.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await vote(vera, { approval: String(shown[0]).split("/").at(-1)! });
    await world.tickUntil(calling);
    expect(codeOf(await calling)).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
  });
});

describe("a caller that knows tasks", () => {
  const profile = profileOf({ extensions: { "io.modelcontextprotocol/tasks": {} } });
  const asTask = async () => {
    const answer = await write({ profile });
    if (answer.kind !== "task") throw new Error(JSON.stringify(answer));
    return JSON.parse(answer.text) as { taskId: string; status: string; statusMessage: string };
  };
  const about = async (method: "tasks/get" | "tasks/cancel", taskId: string, who = world.agent) => {
    const answer = await world.line.task({
      requestId: "req_t",
      authenticate: () => ok(who),
      method,
      taskId,
      inputResponses: null,
      profile,
      signal: new AbortController().signal,
    });
    if (answer.kind === "refused") return { status: answer.refusal.code };
    return JSON.parse(answer.kind === "result" ? answer.text : "{}") as Record<string, unknown>;
  };
  const approvalIn = (message: string) => ({ approval: /apr_[0-9a-z]+/.exec(message)?.[0] ?? "" });

  test("is given one, which goes on by being asked for once people have decided", async () => {
    const task = await asTask();
    expect(task.status).toBe("working");
    expect(await about("tasks/get", task.taskId)).toMatchObject({ status: "working" });
    expect(await about("tasks/get", task.taskId, vera)).toEqual({ status: "unknown-task" });
    await vote(vera, approvalIn(task.statusMessage));
    await about("tasks/get", task.taskId);
    await until(() => world.line.callsUnderWay === 0);
    expect(await about("tasks/get", task.taskId)).toMatchObject({
      status: "completed",
      result: { _meta: { [metaKeys.receipt]: { entry: `${task.taskId}:1` } } },
    });
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("is told a no as the tool's own answer", async () => {
    const task = await asTask();
    await vote(vera, approvalIn(task.statusMessage), "deny");
    await about("tasks/get", task.taskId);
    await until(() => world.line.callsUnderWay === 0);
    const { status, result } = await about("tasks/get", task.taskId);
    expect(status).toBe("completed");
    expect(JSON.stringify(result)).toContain("approval-denied");
    expect(world.upstream.sent).toEqual([]);
  });

  test("can take it back, and then nobody can say yes to it", async () => {
    const task = await asTask();
    await about("tasks/cancel", task.taskId);
    expect(await vote(vera, approvalIn(task.statusMessage))).toBe("conflict");
    expect(await world.outcomes()).toEqual(["request:-", "outcome:cancelled"]);
    expect(JSON.stringify(await about("tasks/get", task.taskId))).toContain("cancelled");
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !isTrue(); i++) await new Promise((resolve) => setImmediate(resolve));
  expect(isTrue()).toBe(true);
}

describe("housekeeping", () => {
  test("ends calls that nobody decided about", async () => {
    const pending = pendingIn(await write({}, step()));
    world.clock.advance(5 * 3_600_000);
    for (let i = 0; i < 200; i++) {
      world.clock.advance(5_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await stateOf(pending)).toBe("expired");
    expect(await world.outcomes()).toEqual(["request:-", "outcome:approval-expired"]);
  });
});

test("the tool that waits is listed where policies ask people, and nowhere else", async () => {
  const names = async () => {
    const listing = await world.line.list("tools", world.agent, noCapabilities);
    return listing.items.map((item) => (JSON.parse(item) as { name: string }).name);
  };
  expect(await names()).toContain(waitToolName);
  world.setPolicies("permit(principal, action, resource);");
  expect(await names()).not.toContain(waitToolName);
});
