import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { PrincipalId } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import { profileOf } from "../registry/index.ts";
import type { Ask, AskAnswer, UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import { inputWaitMs } from "./request-state.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const profile = profileOf({ elicitation: { form: {} } });
const question: Ask = { method: "elicitation/create", params: { mode: "form", message: "Really?" } };

const asks = (
  requestState: string | null,
  requests: Record<string, Ask> = { q: question },
): UpstreamReply => ({
  kind: "input-required",
  raw: JSON.stringify({ resultType: "input_required", inputRequests: requests, requestState }),
  requests,
  requestState,
});

interface Asked {
  readonly inputRequests: Record<string, Ask>;
  readonly requestState: string;
}

function asked(answer: CallAnswer): Asked {
  if (answer.kind !== "input-required") throw new Error(JSON.stringify(answer));
  return JSON.parse(answer.text) as Asked;
}

const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);

const round = (requestState: string, inputResponses: Record<string, unknown> = { q: yes }) => ({
  profile,
  round: { inputResponses, requestState },
});
const yes = { action: "accept", content: { sure: true } };

/** Asks first, and answers what it was given. */
const asksOnce = (request: UpstreamRequest): UpstreamReply =>
  request.round === null ? asks("theirs") : resultOf(JSON.stringify({ content: [], ...request.round }));

const write = (more: Partial<CallInput>, meta: Record<string, unknown> = {}, amount = 1) =>
  world.call("files__write", { path: "a", amount }, meta, more);

describe("a server that asks before it goes on", () => {
  test("leaves the call open under one call id until its caller has answered", async () => {
    world.upstream.answer = asksOnce;
    const first = asked(await write({ profile }));
    expect(first.inputRequests).toEqual({ q: question });
    expect(await world.outcomes()).toEqual(["intent:-"]);
    expect(await listOpenCalls(world.store, defaultTenant, "waiting", { limit: 10 })).toHaveLength(1);

    const second = await write(round(first.requestState));
    expect(second).toMatchObject({ kind: "result" });
    expect(world.upstream.sent[1]?.round).toEqual({ inputResponses: { q: yes }, requestState: "theirs" });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
    const [intent, outcome] = await world.ledger
      .list(defaultTenant, { limit: 10 })
      .then((all) => all.toReversed());
    expect(outcome?.entry.call).toBe(intent?.entry.call);
    expect(outcome?.entry.commitments).toHaveProperty("inputs");
    expect(await listOpenCalls(world.store, defaultTenant, "waiting", { limit: 10 })).toEqual([]);
  });

  test("sees what its caller declared, and nothing of ours in the state it gave", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }));
    expect(world.upstream.sent[0]?.profile.capabilities).toEqual({ elicitation: { form: {} } });
    expect(Buffer.from(requestState.slice(4), "base64url").toString("latin1")).not.toContain("theirs");
  });

  test("may ask again and again, in one call", async () => {
    world.upstream.answer = (request) =>
      request.round === null
        ? asks("1")
        : request.round.requestState === "1"
          ? asks("2")
          : resultOf('{"content":[]}');
    const first = asked(await write({ profile }));
    const second = asked(await write(round(first.requestState)));
    expect(codeOf(await write(round(second.requestState)))).toBe("result");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("a read becomes durable with its second round", async () => {
    world.upstream.answer = asksOnce;
    const first = asked(await world.call("files__read", {}, {}, { profile }));
    expect(await world.outcomes()).toEqual([]);
    expect(codeOf(await world.call("files__read", {}, {}, round(first.requestState)))).toBe("result");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("may be left alone: the same call can be asked for anew", async () => {
    world.upstream.answer = asksOnce;
    asked(await write({ profile }));
    const again = asked(await write({ profile }));
    expect(codeOf(await write(round(again.requestState)))).toBe("result");
  });

  test("answering the same question twice does not send the call twice", async () => {
    world.upstream.answer = asksOnce;
    const first = asked(await write({ profile }));
    const once = await write(round(first.requestState));
    const twice = await write(round(first.requestState));
    expect(twice).toEqual(once);
    expect(world.upstream.sent).toHaveLength(2);
  });

  test("two answers at the same moment go to the server once", async () => {
    world.upstream.answer = asksOnce;
    const first = asked(await write({ profile }));
    const both = await Promise.all([write(round(first.requestState)), write(round(first.requestState))]);
    expect(both.filter((answer) => answer.kind === "result")).toHaveLength(1);
    expect(both.map(codeOf)).toContain("state-invalid");
    expect(world.upstream.sent).toHaveLength(2);
  });

  test("a step that waits is taken over by whoever names it again", async () => {
    world.upstream.answer = asksOnce;
    const meta = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
    asked(await write({ profile }, meta));
    const again = asked(await write({ profile }, meta));
    expect(codeOf(await write(round(again.requestState), meta))).toBe("result");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
    expect(codeOf(await write({ profile }, meta))).toBe("result");
    expect(world.upstream.sent).toHaveLength(3);
  });

  test("that nobody answers ends the call as failed, with nothing carried out", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }));
    world.clock.advance(inputWaitMs);
    const ended = async () => (await world.outcomes()).length === 2;
    await world.tickUntil(expect.poll(ended).toBe(true));
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:input-abandoned"]);
    expect(codeOf(await write(round(requestState)))).toBe("state-invalid");
  });
});

describe("the state between two rounds is good for nothing else", () => {
  test.each<[string, (state: string) => Promise<CallAnswer>]>([
    ["for other arguments", (state) => write(round(state), {}, 2)],
    ["for another tool", (state) => world.call("files__read", { path: "a", amount: 1 }, {}, round(state))],
    ["changed in one byte", (state) => write(round(`${state.slice(0, -3)}AAA`))],
    ["cut short", (state) => write(round(state.slice(0, 40)))],
    ["made up", (state) => write(round(`sb1.${"A".repeat(state.length)}`))],
    ["the server's own", () => write(round("theirs"))],
    [
      "for somebody else",
      (state) => {
        const other = { ...world.agent, id: "agent/other" as PrincipalId };
        return write({ ...round(state), authenticate: () => ok(other) });
      },
    ],
    [
      "on somebody's behalf",
      (state) => {
        const { chain: _, version: __, ...boss } = { ...world.agent, id: "person/boss" as PrincipalId };
        return write({ ...round(state), authenticate: () => ok({ ...world.agent, chain: [boss] }) });
      },
    ],
    [
      "after its time",
      (state) => {
        world.clock.advance(inputWaitMs);
        return write(round(state));
      },
    ],
  ])("%s", async (_name, attempt) => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }));
    expect(codeOf(await attempt(requestState))).toBe("state-invalid");
    expect(world.upstream.sent).toHaveLength(1);
  });
});

describe("a server that asks while the request is open", () => {
  /** As a server of the older era does: the request stays open until the answer has come. */
  const asksInMidCall =
    (...questions: Ask[]) =>
    async (request: UpstreamRequest): Promise<UpstreamReply> => {
      const answers: AskAnswer[] = [];
      for (const each of questions) answers.push(await request.onAsk!(each));
      return resultOf(JSON.stringify({ content: [], answers }));
    };

  test("has its call parked, and gets the answer when the caller comes back; the call was sent once", async () => {
    world.upstream.answer = asksInMidCall(question);
    const first = asked(await write({ profile }));
    const [key] = Object.keys(first.inputRequests);
    expect(Object.values(first.inputRequests)).toEqual([question]);
    const answer = await write(round(first.requestState, { [key!]: yes }));
    expect(answer.kind === "result" && JSON.parse(answer.text)).toMatchObject({
      answers: [{ kind: "answer", result: yes }],
    });
    expect(world.upstream.sent).toHaveLength(1);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("the intent of a read stands before anybody is asked", async () => {
    world.upstream.answer = asksInMidCall(question);
    const first = asked(await world.call("files__read", {}, {}, { profile }));
    expect(await world.outcomes()).toEqual(["intent:-"]);
    const answers = { ask1: yes };
    expect(codeOf(await world.call("files__read", {}, {}, round(first.requestState, answers)))).toBe(
      "result",
    );
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("may ask again; what was not answered is asked again", async () => {
    world.upstream.answer = asksInMidCall(question, { ...question, params: { message: "And now?" } });
    const first = asked(await write({ profile }));
    const still = asked(await write(round(first.requestState, { other: yes })));
    expect(still.inputRequests).toEqual(first.inputRequests);
    const second = asked(await write(round(still.requestState, { ask1: yes })));
    expect(Object.values(second.inputRequests)[0]?.params).toEqual({ message: "And now?" });
    expect(codeOf(await write(round(second.requestState, { ask2: yes })))).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("a caller of the older era is asked in its own session", async () => {
    world.upstream.answer = asksInMidCall(question);
    const put: unknown[] = [];
    const answer = await write({
      profile,
      ask: async (requests) => {
        put.push(requests);
        return Object.fromEntries(Object.keys(requests).map((key) => [key, { kind: "answer", result: yes }]));
      },
    });
    expect(answer.kind === "result" && JSON.parse(answer.text)).toMatchObject({ answers: [{ result: yes }] });
    expect(put).toEqual([{ ask: question }]);
  });

  test("nobody is asked who declared nothing", async () => {
    let wasOffered = true;
    world.upstream.answer = (request) => {
      wasOffered = request.onAsk !== null;
      return resultOf('{"content":[]}');
    };
    await write({});
    expect(wasOffered).toBe(false);
  });

  test("is told that nobody answers when the time is over, and its call ends", async () => {
    world.upstream.answer = asksInMidCall(question);
    const first = asked(await write({ profile }));
    world.clock.advance(10 * 60_000);
    await expect.poll(() => world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
    // Whoever comes back late gets what is on record.
    const late = await write(round(first.requestState, { ask1: yes }));
    expect(late.kind === "result" && JSON.parse(late.text)).toMatchObject({ answers: [{ kind: "refused" }] });
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("a caller of the newer era's questions also reach a caller of the older one", async () => {
    world.upstream.answer = asksOnce;
    const answer = await write({
      profile,
      ask: async (requests) =>
        Object.fromEntries(Object.keys(requests).map((key) => [key, { kind: "answer", result: yes }])),
    });
    expect(codeOf(answer)).toBe("result");
    expect(world.upstream.sent[1]?.round).toEqual({ inputResponses: { q: yes }, requestState: "theirs" });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });
});

describe("a call parked on another node", () => {
  const asksOne = async (request: UpstreamRequest): Promise<UpstreamReply> =>
    resultOf(JSON.stringify({ content: [], answer: await request.onAsk!(question) }));

  test("is answered from here, as long as that node lives", async () => {
    world.upstream.answer = asksOne;
    const first = asked(await write({ profile }));
    const other = await world.secondNode();
    const pending = other.call(
      "files__write",
      { path: "a", amount: 1 },
      {},
      round(first.requestState, { ask1: yes }),
    );
    await world.tickUntil(pending);
    const answer = await pending;
    expect(answer.kind === "result" && JSON.parse(answer.text)).toMatchObject({ answer: { result: yes } });
    expect(world.upstream.sent).toHaveLength(1);
    await other.stop();
  });

  test("is lost with it: said so, and never sent a second time", async () => {
    world.upstream.answer = asksOne;
    const first = asked(await write({ profile }));
    const other = await world.secondNode();
    await world.loseNode();
    const pending = other.call(
      "files__write",
      { path: "a", amount: 1 },
      {},
      round(first.requestState, { ask1: yes }),
    );
    await world.tickUntil(pending);
    expect(codeOf(await pending)).toBe("parked-call-lost");
    expect(world.upstream.sent).toHaveLength(1);
    await other.stop();
  });
});

describe("a task", () => {
  const tasks = profileOf({ extensions: { "io.modelcontextprotocol/tasks": {} } });
  const created = { resultType: "task", taskId: "theirs-1", status: "working", ttlMs: 60_000 };
  const ask = (method: "tasks/get" | "tasks/cancel", taskId: string, who = world.agent) =>
    world.line.task({
      requestId: "req",
      authenticate: () => ok(who),
      method,
      taskId,
      inputResponses: null,
      profile: tasks,
      signal: new AbortController().signal,
    });
  const valueOf = (answer: CallAnswer) =>
    answer.kind === "refused" ? answer.refusal.code : (JSON.parse(answer.text) as Record<string, unknown>);

  test("is known by our call id, asked for at its server, and recorded when it ends", async () => {
    let status: Record<string, unknown> = { status: "working" };
    world.upstream.answer = ({ method, name }) =>
      method === "tools/call"
        ? { kind: "task", raw: JSON.stringify(created), value: created }
        : resultOf(JSON.stringify({ taskId: name, ...status }));
    const answer = await write({ profile: tasks });
    const { taskId } = valueOf(answer) as { taskId: string };
    expect(taskId).toMatch(/^call_/);
    expect(answer.kind).toBe("task");
    expect(valueOf(await ask("tasks/get", taskId))).toMatchObject({ taskId, status: "working" });
    expect(world.upstream.sent[1]?.name).toBe("theirs-1");
    expect(await world.outcomes()).toEqual(["intent:-"]);

    status = { status: "completed", result: { content: [{ type: "text", text: "done" }] } };
    const end = valueOf(await ask("tasks/get", taskId));
    expect(end).toMatchObject({ taskId, status: "completed", result: { content: [{ text: "done" }] } });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
    const sent = world.upstream.sent.length;
    expect(valueOf(await ask("tasks/get", taskId))).toEqual(end);
    expect(world.upstream.sent).toHaveLength(sent);
  });

  test("of somebody else looks like a missing one", async () => {
    world.upstream.answer = () => ({ kind: "task", raw: JSON.stringify(created), value: created });
    const { taskId } = valueOf(await write({ profile: tasks })) as { taskId: string };
    const other = { ...world.agent, id: "agent/other" as PrincipalId };
    expect(valueOf(await ask("tasks/get", taskId, other))).toBe("unknown-task");
    expect(valueOf(await ask("tasks/get", "call_none"))).toBe("unknown-task");
  });

  test("that a step became gives its result when the step is named again", async () => {
    const meta = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
    world.upstream.answer = ({ method }) =>
      method === "tools/call"
        ? { kind: "task", raw: JSON.stringify(created), value: created }
        : resultOf('{"status":"completed","result":{"content":[]}}');
    const { taskId } = valueOf(await write({ profile: tasks }, meta)) as { taskId: string };
    await ask("tasks/get", taskId);
    expect(valueOf(await write({ profile: tasks }, meta))).toMatchObject({ content: [] });
    expect(world.upstream.sent.filter(({ method }) => method === "tools/call")).toHaveLength(1);
  });
});
