import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault, ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { listOpenCalls, readOpenCall } from "../ledger/index.ts";
import type { CallId, OpenCallState } from "../ledger/index.ts";
import type { AskAnswer, UpstreamReply } from "../upstream/index.ts";
import {
  asked,
  asks,
  asksInMidCall,
  asksOnce,
  codeOf,
  created,
  profile,
  question,
  round,
  taskOf,
  valueOf,
  yes,
} from "./asking.fixture.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import { settleOpen } from "./recover.ts";
import { resolveUnknown } from "./resolve.ts";
import { taskTable } from "./tables.ts";
import { Unsettled } from "./unsettled.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const step = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
const write = (more: Partial<CallInput>, meta: Record<string, unknown> = {}) =>
  world.call("files__write", { path: "a", amount: 1 }, meta, more);
const open = (state: OpenCallState) => listOpenCalls(world.store, defaultTenant, state, { limit: 10 });
const callsSent = () => world.upstream.sent.filter(({ method }) => method === "tools/call").length;

/** Ticks until the promise has settled, and gives its value. */
async function after<T>(pending: Promise<T>): Promise<T> {
  await world.tickUntil(pending);
  return pending;
}

/** A promise that somebody else settles. */
function later<T>(): { readonly promise: Promise<T>; readonly settle: (value: T) => void } {
  let settle: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => (settle = resolve));
  return { promise, settle };
}

describe("a call that has become a task", () => {
  const task = (method: "tasks/get" | "tasks/cancel", taskId: string) =>
    world.line.task({
      requestId: "req",
      authenticate: () => ok(world.agent),
      method,
      taskId,
      inputResponses: null,
      profile,
      signal: new AbortController().signal,
    });

  test("is not sent again when its step is named again: the task is given", async () => {
    world.upstream.answer = ({ method }) =>
      method === "tools/call" ? taskOf(created) : resultOf('{"taskId":"theirs-1","status":"working"}');
    const { taskId } = valueOf(await write({ profile }, step));
    const again = await write({ profile }, step);
    expect(again.kind).toBe("task");
    expect(valueOf(again)).toMatchObject({ resultType: "task", taskId, status: "working" });
    expect(callsSent()).toBe(1);
    expect(await open("waiting")).toHaveLength(1);
  });

  test("gives its result to whoever names its step when the server says that it has ended", async () => {
    world.upstream.answer = ({ method }) =>
      method === "tools/call" ? taskOf(created) : resultOf('{"status":"completed","result":{"content":[]}}');
    await write({ profile }, step);
    const again = await write({ profile }, step);
    expect(again).toMatchObject({ kind: "result", receipt: { entry: expect.stringMatching(/:1$/) } });
    expect(callsSent()).toBe(1);
  });

  test("in its second round is not sent again with the state of the first", async () => {
    world.upstream.answer = (request) =>
      request.method !== "tools/call"
        ? resultOf('{"status":"working"}')
        : request.round === null
          ? asks("theirs")
          : taskOf(created);
    const { requestState } = asked(await write({ profile }));
    expect((await write(round(requestState))).kind).toBe("task");
    expect((await write(round(requestState))).kind).toBe("task");
    expect(callsSent()).toBe(2);
  });

  test("and was cancelled is unknown, and a person can resolve it", async () => {
    world.upstream.answer = ({ method }) =>
      method === "tools/call" ? taskOf(created) : resultOf('{"status":"cancelled"}');
    const { taskId } = valueOf(await write({ profile }, step));
    expect(valueOf(await task("tasks/get", taskId as string))).toMatchObject({ status: "cancelled" });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:cancelled"]);
    expect(await open("unknown")).toHaveLength(1);
    const change = await resolveUnknown(world.agent, taskId as CallId, "done", "looked", {
      ...world,
      leaseMs: 1,
    });
    if (!change.ok) throw new Error(change.refusal.detail);
    expect((await world.store.commit(change.value.writes)).verdict).toBe("done");
  });

  test("with an id that nobody can use has an unknown outcome, and is not left dispatched", async () => {
    world.upstream.answer = () => taskOf({ ...created, taskId: "" });
    expect(codeOf(await write({ profile }, step))).toBe("upstream-garbage");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:upstream-garbage"]);
    expect([await open("dispatched"), (await open("unknown")).length]).toEqual([[], 1]);
  });

  test("shows nothing under our own keys that its server put there", async () => {
    const _meta = { [metaKeys.receipt]: { entry: "forged", leaf: "" }, theirs: 1 };
    world.upstream.answer = ({ method }) =>
      method === "tools/call"
        ? taskOf({ ...created, _meta })
        : resultOf(JSON.stringify({ status: "working", _meta }));
    const first = valueOf(await write({ profile }, step));
    const then = valueOf(await task("tasks/get", first["taskId"] as string));
    expect([first["_meta"], then["_meta"]]).toEqual([{ theirs: 1 }, { theirs: 1 }]);
  });

  test("tells nothing of a known secret in an error", async () => {
    await knowSecret();
    world.upstream.answer = ({ method }) =>
      method === "tools/call"
        ? taskOf(created)
        : { kind: "error", error: { code: -32_603, message: `bad ${secret}`, data: { secret } } };
    const { taskId } = valueOf(await write({ profile }, step));
    expect(JSON.stringify(await task("tasks/get", taskId as string))).not.toContain(secret);
  });

  test("commits to its arguments, its raw result and what was shown", async () => {
    world.upstream.answer = ({ method }) =>
      method === "tools/call" ? taskOf(created) : resultOf('{"status":"completed","result":{"content":[]}}');
    const { taskId } = valueOf(await write({ profile }));
    await task("tasks/get", taskId as string);
    const [outcome] = await world.ledger.list(defaultTenant, { limit: 1 });
    expect(Object.keys(outcome?.entry.commitments ?? {}).toSorted()).toEqual(["arguments", "raw", "result"]);
  });

  test("whose state cannot be written is unknown, which is not a bug of ours", async () => {
    world.upstream.answer = () => {
      world.store.faults.next("disk-full");
      return taskOf(created);
    };
    expect(codeOf(await write({ profile }, step))).toBe("outcome-not-recorded");
    expect(world.troubles).toEqual([]);
    await after(expect.poll(() => open("unknown")).toHaveLength(1));
  });
});

const secret = "s3cret-value-42";
async function knowSecret(): Promise<void> {
  const change = await world.vault.put(defaultTenant, "token", secret);
  if (!change.ok) throw new Error(change.refusal.detail);
  await world.store.commit(change.value.writes);
  change.value.applied();
  await world.vault.reveal(defaultTenant, "token");
}

describe("another round of a call", () => {
  test.each([
    ["that names a step now", {}, step],
    ["that names no step any more", step, {}],
    ["that names another step", step, { ...step, [metaKeys.step]: "t" }],
    ["that names a key instead", step, { [metaKeys.key]: "s" }],
  ])("%s is another request", async (_name, before, then) => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }, before));
    expect(codeOf(await write(round(requestState), then))).toBe("state-invalid");
    expect(codeOf(await write(round(requestState), before))).toBe("result");
    expect(await open("dispatched")).toEqual([]);
  });

  test("never replaces what its step has come to meanwhile", async () => {
    world.upstream.answer = asksOnce;
    const read = (more: Partial<CallInput>) => world.call("files__read", { path: "a" }, step, more);
    const first = asked(await read({ profile }));
    const second = asked(await read({ profile }));
    const answer = await read(round(first.requestState));
    expect(await read(round(second.requestState))).toEqual(answer);
    expect(await read({ profile })).toEqual(answer);
    expect(callsSent()).toBe(3);
  });

  test("of a read, answered twice, is carried on once", async () => {
    world.upstream.answer = asksOnce;
    const read = (more: Partial<CallInput>) => world.call("files__read", {}, {}, more);
    const { requestState } = asked(await read({ profile }));
    const once = await read(round(requestState));
    expect(await read(round(requestState))).toEqual(once);
    expect(callsSent()).toBe(2);
  });

  test("that we refuse is on record by itself, and the call can go on afterwards", async () => {
    world.upstream.answer = asksOnce;
    for (const name of ["files__read", "files__write"]) {
      const call = (more: Partial<CallInput>) => world.call(name, {}, {}, more);
      const { requestState } = asked(await call({ profile }));
      world.registry.reportHealth(serverId(), { ...down, state: "down" });
      const refused = await call(round(requestState));
      expect(codeOf(refused)).toBe("tool-unavailable");
      expect(refused.receipt).not.toBeNull();
      world.registry.reportHealth(serverId(), { state: "healthy", since: world.clock.wall() });
      expect(codeOf(await call(round(requestState)))).toBe("result");
    }
    expect(await open("dispatched")).toEqual([]);
  });

  test("of a call that its server rejected meanwhile is told how it ended", async () => {
    world.upstream.answer = (request) =>
      request.round === null
        ? asks("theirs")
        : { kind: "rejected", error: { code: -32_602, message: "not so" } };
    const { requestState } = asked(await write({ profile }));
    await write(round(requestState));
    expect(codeOf(await write(round(requestState)))).toBe("upstream-rejected");
  });

  test("that could not be recorded leaves the call as it was", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }, step));
    world.store.faults.next("disk-full");
    expect(codeOf(await write(round(requestState), step))).toBe("ledger-unavailable");
    expect(codeOf(await write(round(requestState), step))).toBe("result");
    expect(callsSent()).toBe(2);
  });

  test("that a person is a minute late with is never ended under its driver's hands", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }, step));
    const [stale] = await open("waiting");
    const answer = later<UpstreamReply>();
    world.upstream.answer = () => answer.promise;
    const pending = write(round(requestState), step);
    await expect.poll(() => world.upstream.sent.length).toBe(2);
    // Housekeeping had read the row before.
    expect(await settleOpen(stale!, { kind: "failed", code: "input-abandoned" }, world)).toBe(false);
    answer.settle(resultOf('{"content":[]}'));
    expect(codeOf(await pending)).toBe("result");
  });
});

const serverId = () => world.registry.serversOf(defaultTenant)[0]!.id;
const down = { since: undefined as never, cause: "dependency" as const, reason: "gone" };

describe("a question that cannot be kept", () => {
  test("ends the call as not carried out", async () => {
    world.upstream.answer = () => {
      world.store.faults.next("disk-full");
      return asks("theirs");
    };
    expect(codeOf(await write({ profile }, step))).toBe("ledger-unavailable");
    expect(world.troubles).toEqual([]);
    world.upstream.answer = asksOnce;
    await after(expect.poll(() => open("dispatched")).toEqual([]));
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:ledger-unavailable"]);
    asked(await write({ profile }, step));
  });
});

describe("a caller that is asked in its session", () => {
  const answerAll =
    (answer: AskAnswer, ms = 0): NonNullable<CallInput["ask"]> =>
    async (requests) => {
      world.clock.advance(ms);
      return Object.fromEntries(Object.keys(requests).map((key) => [key, answer]));
    };
  const accepts: AskAnswer = { kind: "answer", result: yes };
  const refuses: AskAnswer = { kind: "refused", error: { code: -32_603, message: "no" } };

  test("may take minutes to answer", async () => {
    world.upstream.answer = asksOnce;
    expect(codeOf(await write({ profile, ask: answerAll(accepts, 5 * 60_000) }, step))).toBe("result");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("makes a read durable with the second round", async () => {
    world.upstream.answer = asksOnce;
    const answer = await world.call("files__read", {}, {}, { profile, ask: answerAll(accepts) });
    expect(codeOf(answer)).toBe("result");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("leaves its call waiting while it thinks, so that nothing is unknown when the node dies", async () => {
    world.upstream.answer = asksOnce;
    let states: number[] = [];
    const answer = await write({
      profile,
      ask: async (requests) => {
        states = [(await open("waiting")).length, (await open("dispatched")).length];
        return answerAll(accepts)(requests);
      },
    });
    expect([codeOf(answer), states]).toEqual(["result", [1, 0]]);
  });

  test("and never answers: its call ends, and nothing was carried out", async () => {
    world.upstream.answer = asksOnce;
    const pending = write({ profile, ask: () => new Promise(() => undefined) }, step);
    await expect.poll(() => open("waiting").then(({ length }) => length)).toBe(1);
    world.clock.advance(9 * 60_000);
    expect(codeOf(await after(pending))).toBe("result");
    expect(world.upstream.sent[1]?.round?.inputResponses).toEqual({ q: { action: "cancel" } });
  });

  test("and breaks down is one that cannot be asked", async () => {
    world.upstream.answer = asksOnce;
    const answer = await write({ profile, ask: () => Promise.reject(new Error("gone")) });
    expect(codeOf(answer)).toBe("result");
    expect(world.troubles).toEqual([]);
  });

  test("is shown no known secret", async () => {
    await knowSecret();
    const leaking = { method: "elicitation/create", params: { message: `use ${secret}` } };
    world.upstream.answer = (request) =>
      request.round === null ? asks(null, { q: leaking }) : resultOf('{"content":[]}');
    let put = "";
    await write({
      profile,
      ask: (requests) => {
        put = JSON.stringify(requests);
        return answerAll(accepts)(requests);
      },
    });
    expect(put).toContain("use ");
    expect(put).not.toContain(secret);
  });

  test.each(["sampling/createMessage", "roots/list"])("and refuses %s ends its call", async (method) => {
    world.upstream.answer = (request) =>
      request.round === null ? asks(null, { q: { method, params: {} } }) : resultOf('{"content":[]}');
    expect(codeOf(await write({ profile, ask: answerAll(refuses) }))).toBe("input-abandoned");
    expect(callsSent()).toBe(1);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:input-abandoned"]);
  });

  test("is asked no more than so often", async () => {
    world.upstream.answer = () => asks("more");
    expect(codeOf(await write({ profile, ask: answerAll(accepts) }))).toBe("input-abandoned");
    expect(callsSent()).toBeLessThan(40);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:input-abandoned"]);
  });

  test("leaves the server its own time after the answer, and no more", async () => {
    let deadline: CallInput["deadline"] = null;
    let wasAsked = false;
    world.upstream.answer = async (request) => {
      deadline = request.deadline;
      await request.onAsk!(question);
      wasAsked = true;
      return new Promise<UpstreamReply>((_, reject) => {
        const look = (): void => {
          if (Number(request.deadline.at) <= Number(world.clock.monotonic()))
            reject(new Fault("deadline-exceeded", "late"));
          else world.clock.after(1_000, look);
        };
        look();
      });
    };
    const pending = write({ profile, ask: answerAll(accepts, 60_000) });
    await expect.poll(() => wasAsked).toBe(true);
    const leftMs = Number(deadline!["at"]) - Number(world.clock.monotonic());
    expect(leftMs).toBeLessThanOrEqual(world.registry.serversOf(defaultTenant)[0]!.callTimeoutMs);
    expect(codeOf(await after(pending))).toBe("deadline-exceeded");
  });
});

describe("a parked call", () => {
  test("lets go of a caller that has gone, and ends all the same", async () => {
    world.upstream.answer = asksInMidCall;
    const first = asked(await write({ profile }));
    const gone = new AbortController();
    const pending = write({ ...round(first.requestState, {}), signal: gone.signal }).then(asked);
    const again = await pending;
    const answer = later<UpstreamReply>();
    world.upstream.answer = () => answer.promise;
    const underWay = world.line.callsUnderWay;
    const asking = write({ ...round(again.requestState, { other: 1 }), signal: gone.signal });
    gone.abort();
    await asking;
    expect(world.line.callsUnderWay).toBe(underWay);
  });

  test("lets go of a caller that waits for what comes next", async () => {
    const slow = later<void>();
    world.upstream.answer = async (request) => {
      await request.onAsk!(question);
      await slow.promise;
      return resultOf('{"content":[]}');
    };
    const first = asked(await write({ profile }));
    const gone = new AbortController();
    const pending = write({ ...round(first.requestState, { ask1: yes }), signal: gone.signal });
    await new Promise((resolve) => setImmediate(resolve));
    gone.abort();
    expect(codeOf(await pending)).toBe("cancelled");
    expect(world.line.callsUnderWay).toBe(1);
    slow.settle();
    await expect.poll(() => world.line.callsUnderWay).toBe(0);
    expect(codeOf(await write(round(first.requestState, { ask1: yes })))).toBe("result");
  });

  test("that is a step is shown to whoever names the step again", async () => {
    world.upstream.answer = asksInMidCall;
    const first = asked(await write({ profile }, step));
    const again = asked(await write({ profile }, step));
    expect(again.inputRequests).toEqual(first.inputRequests);
    expect(codeOf(await write(round(again.requestState, { ask1: yes }), step))).toBe("result");
    expect(callsSent()).toBe(1);
  });

  test("that is a step can still be joined after a question was answered", async () => {
    const slow = later<void>();
    world.upstream.answer = async (request) => {
      await request.onAsk!(question);
      await request.onAsk!(question);
      await slow.promise;
      return resultOf('{"content":[]}');
    };
    const first = asked(await write({ profile }, step));
    const second = asked(await write(round(first.requestState, { ask1: yes }), step));
    const end = write(round(second.requestState, { ask2: yes }), step);
    const joined = write({}, step);
    await new Promise((resolve) => setImmediate(resolve));
    slow.settle();
    expect(await joined).toEqual(await end);
    expect(callsSent()).toBe(1);
  });

  test("is joined no longer than the joining caller's own deadline", async () => {
    world.upstream.answer = () => new Promise(() => undefined);
    void write({}, step);
    await expect.poll(() => world.upstream.sent.length).toBe(1);
    const deadline = { at: (Number(world.clock.monotonic()) + 5_000) as never };
    expect(codeOf(await after(write({ deadline }, step)))).toBe("deadline-exceeded");
  });

  test("answers at most a few requests at once", async () => {
    const slow = later<void>();
    world.upstream.answer = async (request) => {
      await request.onAsk!(question);
      await slow.promise;
      return resultOf('{"content":[]}');
    };
    const first = asked(await write({ profile }));
    const all = Array.from({ length: 40 }, () => write(round(first.requestState, { ask1: yes })));
    const early: CallAnswer[] = [];
    for (const each of all) void each.then((answer) => early.push(answer));
    await expect.poll(() => early.map(codeOf)).toContain("too-many-calls");
    slow.settle();
    expect((await Promise.all(all)).filter(({ kind }) => kind === "result").length).toBeGreaterThan(0);
  });

  test("that ended before another node's letter came is answered from the record there", async () => {
    world.upstream.answer = asksInMidCall;
    const first = asked(await write({ profile }));
    expect(codeOf(await write(round(first.requestState, { ask1: yes })))).toBe("result");
    const other = await world.secondNode();
    const args = { path: "a", amount: 1 };
    const late = other.call("files__write", args, {}, round(first.requestState, { ask1: yes }));
    expect(codeOf(await after(late))).toBe("result");
    await other.stop();
  });

  test("goes on when the question cannot be sealed just now", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const seal = world.keys.scopeKey.bind(world.keys);
      world.keys.scopeKey = (scope) => {
        if (!scope.startsWith("state/")) return seal(scope);
        throw new Fault("store-unavailable", "not now");
      };
      world.upstream.answer = asksInMidCall;
      expect(codeOf(await write({ profile }, step))).toBe("ledger-unavailable");
      world.keys.scopeKey = seal;
      const again = asked(await write({ profile }, step));
      expect(codeOf(await write(round(again.requestState, { ask1: yes }), step))).toBe("result");
      expect(callsSent()).toBe(1);
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

describe("an idempotent call that is tried again", () => {
  test("is unknown when the first try may have been carried out", async () => {
    let tries = 0;
    world.upstream.answer = () => {
      throw ++tries === 1
        ? new Fault("upstream-lost", "it broke")
        : new Fault("tool-unavailable", "no connection", { effect: "none" });
    };
    expect(codeOf(await after(world.call("files__put", {}, step)))).toBe("upstream-lost");
    expect(await open("unknown")).toHaveLength(1);
  });
});

test("an open call is found by its id", async () => {
  world.upstream.answer = asksOnce;
  await write({ profile });
  const [waiting] = await open("waiting");
  expect(await readOpenCall(world.store, waiting!.call)).toEqual(waiting);
});

describe("what a failing ledger left behind", () => {
  test("never ends a call that another node drives by now", async () => {
    world.upstream.answer = asksOnce;
    const { requestState } = asked(await write({ profile }, step));
    const [waiting] = await open("waiting");
    const unsettled = new Unsettled();
    unsettled.add(waiting!.call, { kind: "failed", code: "ledger-unavailable" });
    const other = await world.secondNode();
    const answer = later<UpstreamReply>();
    world.upstream.answer = () => answer.promise;
    const pending = other.call("files__write", { path: "a", amount: 1 }, step, round(requestState));
    await expect.poll(() => world.upstream.sent.length).toBe(2);
    await unsettled.settle({ ...world, node: { name: "local", fence: 1 } });
    answer.settle(resultOf('{"content":[]}'));
    expect(codeOf(await pending)).toBe("result");
    await other.stop();
  });

  test("is forgotten when somebody drives the call on", async () => {
    world.upstream.answer = asksOnce;
    await write({ profile }, step);
    const [waiting] = await open("waiting");
    const unsettled = new Unsettled();
    unsettled.add(waiting!.call, { kind: "failed", code: "ledger-unavailable" }, ["waiting"]);
    const settling = unsettled.settle({ ...world, node: { name: "local", fence: 1 } });
    unsettled.forget(waiting!.call);
    await settling;
    expect(await open("waiting")).toHaveLength(1);
  });

  test("is remembered again when nothing came of driving it on", async () => {
    world.upstream.answer = asksOnce;
    await write({ profile }, step);
    const [waiting] = await open("waiting");
    const unsettled = new Unsettled();
    unsettled.add(waiting!.call, { kind: "failed", code: "ledger-unavailable" }, ["waiting"]);
    unsettled.forget(waiting!.call)();
    await unsettled.settle({ ...world, node: { name: "local", fence: 1 } });
    expect(await open("waiting")).toEqual([]);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:ledger-unavailable"]);
  });
});

describe("a key", () => {
  test("is remembered for a day from when its call has ended, however long that took", async () => {
    const key = { [metaKeys.key]: "k" };
    world.upstream.answer = ({ method }) =>
      method === "tools/call"
        ? taskOf({ ...created, ttlMs: 48 * hourMs })
        : resultOf('{"status":"completed","result":{"content":[]}}');
    await write({ profile }, key);
    world.clock.advance(30 * hourMs);
    const answer = await write({ profile }, key);
    expect(answer.kind).toBe("result");
    expect(await write({ profile }, key)).toEqual(answer);
    expect(callsSent()).toBe(1);
  });
});
const hourMs = 3_600_000;

describe("a task whose time is over", () => {
  test("is no longer kept, and its call has ended", async () => {
    world.upstream.answer = () => taskOf(created);
    const { taskId } = valueOf(await write({ profile }, step));
    world.clock.advance(created.ttlMs);
    const row = () => world.store.get(taskTable, { call: taskId as string });
    await after(expect.poll(row).toBeNull());
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:input-abandoned"]);
    expect(await open("unknown")).toHaveLength(1);
  });
});
