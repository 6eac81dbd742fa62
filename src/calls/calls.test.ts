import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, commitment, refuse } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { endRun, listOpenCalls, raiseAttempt, readOpenCall, readRun } from "../ledger/index.ts";
import type { CallId, EntryId, RunRecord } from "../ledger/index.ts";
import type { CallAnswer } from "./call.ts";
import { recoverCalls } from "./recover.ts";
import { resolveUnknown } from "./resolve.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : null);
const textOf = (answer: CallAnswer) => {
  if (answer.kind === "refused") throw new Error(`${answer.refusal.code}: ${answer.refusal.detail}`);
  return JSON.parse(answer.text) as { _meta: Record<string, { entry: EntryId }>; isError?: boolean };
};
const lost = () => {
  throw new Fault("upstream-lost", "the connection broke");
};

describe("a call", () => {
  test("of a read leaves one entry, with the outcome", async () => {
    textOf(await world.call("files__read", { path: "a" }));
    expect(await world.outcomes()).toEqual(["outcome:succeeded"]);
  });

  test("of anything else leaves its intent before the effect and its outcome after it", async () => {
    let duringEffect: string[] = [];
    world.upstream.answer = async () => {
      duringEffect = await world.outcomes();
      return resultOf('{"content":[]}');
    };
    textOf(await world.call("files__write", { path: "a" }));
    expect(duringEffect).toEqual(["intent:-"]);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("sends the canonical arguments, and commits to exactly those and to the bytes that came back", async () => {
    const raw = '{ "content" : [],"x":1.50 }';
    world.upstream.answer = () => resultOf(raw);
    const answer = await world.call("files__write", { path: "a", amount: 1 });
    expect(world.upstream.sent[0]?.argumentsText).toBe('{"amount":1,"path":"a"}');
    const outcome = await world.ledger.entry(
      defaultTenant,
      textOf(answer)._meta["dev.signalbox/receipt"]!.entry,
    );
    const intent = await world.ledger.entry(defaultTenant, outcome!.entry.after!);
    const opened = await world.ledger.payload(intent!);
    const salt = Buffer.from(opened!.erased ? "" : opened!.payload.salt!, "base64");
    expect(intent!.entry.commitments["arguments"]).toBe(commitment(salt, '{"amount":1,"path":"a"}'));
    expect(outcome!.entry.commitments).toMatchObject({
      raw: commitment(salt, raw),
      result: commitment(salt, raw),
    });
  });

  test("passes an unchanged result on byte for byte, apart from the receipt", async () => {
    const raw = '{"content":[{"type":"text","text":"\\u00e9 1.0"}], "n": 1.50}';
    world.upstream.answer = () => resultOf(raw);
    const answer = await world.call("files__read", {});
    expect(answer.kind === "result" && answer.text.startsWith(raw.slice(0, -1))).toBe(true);
  });

  test("leaves one structured record, with every station it passed", async () => {
    await world.call("files__read", { path: "secret-argument" });
    expect(world.records).toHaveLength(1);
    expect(world.records[0]?.stations.names).toEqual([
      "authenticate",
      "plan",
      "recall",
      "authorise",
      "approve",
      "admit",
      "recordIntent",
      "execute",
      "hold",
      "screen",
      "recordOutcome",
    ]);
    expect(JSON.stringify(world.records)).not.toContain("secret-argument");
  });

  test("names in each entry what was in force: who, which policies, definition, server and class", async () => {
    const versionsOf = async (answer: CallAnswer) => {
      const { entry } = textOf(answer)._meta["dev.signalbox/receipt"]!;
      const outcome = (await world.ledger.entry(defaultTenant, entry))!.entry;
      const intent = (await world.ledger.entry(defaultTenant, outcome.after!))!.entry;
      expect(outcome.versions).toEqual(intent.versions);
      return intent.versions;
    };
    const tool = world.registry.toolNamed(defaultTenant, "files__write")!;
    const inForce = { identity: world.agent.version, pin: tool.pin, class: "effect" };
    const before = await versionsOf(await world.call("files__write", { path: "a" }));
    expect(before).toEqual({ ...inForce, policy: expect.any(String), server: `${tool.server.version}` });
    const changed = world.registry.changeServer(defaultTenant, tool.server.id, { callTimeoutMs: 7_000 });
    if (!changed.ok) throw new Error(changed.refusal.detail);
    await world.store.commit(changed.value.writes);
    changed.value.applied();
    const after = await versionsOf(await world.call("files__write", { path: "b" }));
    expect(after).toEqual({ ...before, server: `${tool.server.version + 1}` });
  });

  test("whose tool answers with an error has succeeded, with a flag", async () => {
    world.upstream.answer = () => resultOf('{"content":[],"isError":true}');
    expect(textOf(await world.call("files__write", {})).isError).toBe(true);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:error"]);
  });
});

describe("a refusal", () => {
  test.each([
    ["an unknown tool", "files__nothing", {}, "unknown-tool"],
    ["an argument of the wrong type", "files__read", { path: 1 }, "invalid-arguments"],
    ["an unknown argument", "files__read", { extra: 1 }, "invalid-arguments"],
  ])("of %s is an entry and reaches no server", async (_name, tool, args, code) => {
    const answer = await world.call(tool, args);
    expect(codeOf(answer)).toBe(code);
    expect(answer.receipt).not.toBeNull();
    expect(await world.outcomes()).toEqual([`outcome:${code}`]);
    expect(world.upstream.sent).toEqual([]);
  });

  test("of somebody unknown leaves no entry", async () => {
    const answer = await world.call(
      "files__read",
      {},
      {},
      { authenticate: () => refuse({ code: "unauthenticated", detail: "no" }) },
    );
    expect(codeOf(answer)).toBe("unauthenticated");
    expect(await world.outcomes()).toEqual([]);
  });

  test("by policy names the policy, for the operator and in the entry", async () => {
    await world.stop();
    world = await openWorld(
      'permit(principal, action, resource); @id("small") forbid(principal, action == Action::"call", resource) when { context.args has amount && context.args.amount > 10 };',
    );
    textOf(await world.call("files__write", { amount: 10 }));
    const answer = await world.call("files__write", { amount: 11 });
    expect(codeOf(answer)).toBe("denied");
    const entry = await world.ledger.entry(defaultTenant, answer.receipt!.entry as EntryId);
    expect(entry?.entry.decision).toEqual({ effect: "deny", policies: ["small"] });
  });

  test("where policy wants an approval says so, and nothing is sent", async () => {
    await world.stop();
    world = await openWorld(
      'permit(principal, action, resource); @approve("group=finance") forbid(principal, action == Action::"call", resource);',
    );
    expect(codeOf(await world.call("files__write", {}))).toBe("approval-needed");
    expect(world.upstream.sent).toEqual([]);
  });

  test("beyond a principal's bound is counted in a summary, and none is lost", async () => {
    for (let i = 0; i < 70; i++) await world.call("files__nothing", {});
    await world.line.stop(0);
    const all = await world.outcomes();
    expect(all.filter((each) => each === "outcome:unknown-tool")).toHaveLength(60);
    expect(all.at(-1)).toBe("summary:-");
  });
});

describe("what comes of a call that goes wrong", () => {
  test("before a byte left is failed, and the call is closed", async () => {
    world.upstream.answer = () => {
      throw new Fault("tool-unavailable", "not there", { effect: "none" });
    };
    expect(codeOf(await world.call("files__write", {}))).toBe("tool-unavailable");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:tool-unavailable"]);
    expect(await listOpenCalls(world.store, defaultTenant, "unknown", { limit: 10 })).toEqual([]);
  });

  test("after bytes left is unknown, and waits to be resolved", async () => {
    world.upstream.answer = lost;
    expect(codeOf(await world.call("files__write", {}))).toBe("upstream-lost");
    const [open] = await listOpenCalls(world.store, defaultTenant, "unknown", { limit: 10 });
    expect(open?.subject).toMatch(/\/write$/);
  });

  test("a read that was lost is tried once more, an effect never", async () => {
    world.upstream.answer = lost;
    const read = world.call("files__read", {});
    await until(() => world.upstream.sent.length === 2);
    expect(codeOf(await read)).toBe("upstream-lost");
    await world.call("files__write", {});
    expect(world.upstream.sent.map(({ name }) => name)).toEqual(["read", "read", "write"]);
  });

  test("a result that breaks its output schema is withheld, and the tool's health says so until one fits again", async () => {
    world.upstream.answer = () => resultOf('{"content":[],"structuredContent":{"n":"one"}}');
    const answer = textOf(await world.call("files__checked", {}));
    expect(JSON.stringify(answer)).toContain("result-invalid");
    expect(JSON.stringify(answer)).not.toContain('"one"');
    const tool = world.registry.toolNamed(defaultTenant, "files__checked");
    expect(world.registry.healthOf(tool!)).toMatchObject({ state: "degraded", cause: "correctness" });
    expect(world.records.at(-1)).toMatchObject({ outcome: "succeeded", code: "result-invalid" });
    const [newest] = await world.ledger.list(defaultTenant, { limit: 1 });
    const said = { kind: "succeeded", isError: false, withheld: "result-invalid" };
    expect(newest?.entry.outcome).toEqual(said);
    world.upstream.answer = () => resultOf('{"content":[],"isError":true}');
    await world.call("files__checked", {});
    expect(world.registry.healthOf(tool!).state).toBe("degraded");
    world.upstream.answer = () => resultOf('{"content":[],"structuredContent":{"n":1}}');
    await world.call("files__checked", {});
    expect(world.registry.healthOf(tool!).state).not.toBe("degraded");
  });

  test("an identical effect while the first is unknown is refused, another one is not", async () => {
    world.upstream.answer = lost;
    await world.call("files__write", { path: "a" });
    expect(codeOf(await world.call("files__write", { path: "a" }))).toBe("identical-call-open");
    expect(codeOf(await world.call("files__write", { path: "b" }))).toBe("upstream-lost");
    expect(world.upstream.sent).toHaveLength(2);
  });

  test("a call whose caller went away before dispatch is withdrawn", async () => {
    const gone = { signal: AbortSignal.abort() };
    expect(codeOf(await world.call("files__write", {}, {}, gone))).toBe("cancelled");
    expect(world.upstream.sent).toEqual([]);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:cancelled"]);
  });

  test("an effect whose caller goes away after dispatch is listened to, and its outcome recorded", async () => {
    const caller = new AbortController();
    world.upstream.answer = (request) => {
      caller.abort();
      expect(request.signal.aborted).toBe(false);
      expect(request.advice?.aborted).toBe(true);
      return resultOf('{"content":[]}');
    };
    await world.call("files__write", {}, {}, { signal: caller.signal });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("a named step whose caller goes away is not advised against: somebody comes back for it", async () => {
    const caller = new AbortController();
    world.upstream.answer = (request) => {
      caller.abort();
      expect(request.advice).toBeNull();
      return resultOf('{"content":[]}');
    };
    await world.call("files__write", {}, { "dev.signalbox/key": "k" }, { signal: caller.signal });
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:succeeded"]);
  });

  test("a read whose caller goes away after dispatch is cancelled, which needs no advice", async () => {
    const caller = new AbortController();
    world.upstream.answer = (request) => {
      caller.abort();
      expect(request.signal.aborted).toBe(true);
      expect(request.advice).toBeNull();
      throw new Fault("cancelled", "withdrawn", { effect: "unknown" });
    };
    expect(codeOf(await world.call("files__read", {}, {}, { signal: caller.signal }))).toBe("cancelled");
  });
});

describe("a step of a run", () => {
  const step = (name: string, more: Record<string, unknown> = {}) => ({
    "dev.signalbox/run": "r1",
    "dev.signalbox/step": name,
    ...more,
  });

  test.each(["files__write", "files__read"])(
    "of %s runs once and is recalled with the same receipt",
    async (tool) => {
      const first = await world.call(tool, { path: "a" }, step("s1"));
      const second = await world.call(tool, { path: "a" }, step("s1"));
      expect(second).toEqual(first);
      expect(world.upstream.sent).toHaveLength(1);
      expect(world.records.map(({ recalled }) => recalled)).toEqual([false, true]);
    },
  );

  test("with other arguments or another tool is refused", async () => {
    await world.call("files__write", { path: "a" }, step("s1"));
    expect(codeOf(await world.call("files__write", { path: "b" }, step("s1")))).toBe("step-mismatch");
    expect(codeOf(await world.call("files__read", { path: "a" }, step("s1")))).toBe("step-mismatch");
  });

  test("that arrives many times at once is sent once, and everybody gets the same answer", async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => settle(world.call("files__write", { path: "a" }, step("s1")))),
    );
    expect(world.upstream.sent).toHaveLength(1);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  test("that failed may be entered again, as a new call that names the old outcome", async () => {
    const good = world.upstream.answer;
    world.upstream.answer = () => {
      throw new Fault("tool-unavailable", "not there", { effect: "none" });
    };
    const failed = await world.call("files__write", {}, step("s1"));
    world.upstream.answer = good;
    const answer = textOf(await world.call("files__write", {}, step("s1")));
    const outcome = await world.ledger.entry(defaultTenant, answer._meta["dev.signalbox/receipt"]!.entry);
    const intent = await world.ledger.entry(defaultTenant, outcome!.entry.after!);
    expect(intent?.entry.after).toBe(failed.receipt?.entry);
  });

  test("whose outcome is unknown is never sent again", async () => {
    world.upstream.answer = lost;
    await world.call("files__write", {}, step("s1"));
    expect(codeOf(await world.call("files__write", {}, step("s1")))).toBe("outcome-unknown");
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("of an attempt that is replaced while it is on its way is not sent, nor is one of a run that ends meanwhile", async () => {
    await world.call("files__write", {}, step("s1"));
    const { store, agent } = world;
    const attach = async (run: RunRecord) => store.commit([raiseAttempt(run, await store.now())]);
    const cancel = async (run: RunRecord) =>
      store.commit([endRun(run, "cancelled", { at: world.clock.wall(), entry: "evt_1:0" as EntryId })]);
    for (const [happens, attempt, code] of [
      [attach, 1, "stale-attempt"],
      [cancel, 2, "run-ended"],
    ] as const) {
      // *plan* reads the run, and then what is on record of the step.
      const get = store.get.bind(store);
      store.get = async (table, key) => {
        if (table.name !== "claim") return get(table, key);
        store.get = get;
        const run = await readRun(store, agent, "r1");
        if (run !== null) await happens(run);
        return get(table, key);
      };
      const meta = step(`late-${code}`, { "dev.signalbox/attempt": attempt });
      const late = world.call("files__write", {}, meta);
      await world.tickUntil(late); // it goes round once more, after a pause
      expect(codeOf(await late)).toBe(code);
      expect(world.upstream.sent).toHaveLength(1);
    }
  });

  test("of an older attempt is refused", async () => {
    await world.call("files__write", {}, step("s1", { "dev.signalbox/attempt": 1 }));
    expect(codeOf(await world.call("files__write", {}, step("s2", { "dev.signalbox/attempt": 2 })))).toBe(
      "invalid-params",
    );
  });

  test("is recalled although its arguments no longer fit and its server is down", async () => {
    const first = await world.call("files__write", { path: "a" }, step("s1"));
    const server = world.registry.serverNamed(defaultTenant, "files")!;
    world.registry.reportHealth(server.id, {
      state: "down",
      since: world.clock.wall(),
      cause: "dependency",
      reason: "gone",
    });
    expect(await world.call("files__write", { path: "a" }, step("s1"))).toEqual(first);
    expect(codeOf(await world.call("files__write", { path: "a" }, step("s2")))).toBe("tool-unavailable");
  });
});

describe("after a crash", () => {
  async function crashed(meta: Record<string, unknown> = {}): Promise<CallId> {
    let started: () => void = () => {};
    const dispatched = new Promise<void>((resolve) => (started = resolve));
    world.upstream.answer = () => {
      started();
      return new Promise(() => {}); // the process dies before an answer comes
    };
    void world.call("files__write", { path: "a" }, meta);
    await dispatched;
    const [open] = await listOpenCalls(world.store, defaultTenant, "dispatched", { limit: 10 });
    return open!.call;
  }
  const recover = () => recoverCalls({ ...world, node: { name: "local", fence: 2 } });

  test("a dispatched call is unknown, in the ledger too, and recovery finds it once", async () => {
    const call = await crashed();
    expect(await recover()).toBe(1);
    expect(await recover()).toBe(0);
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:upstream-lost"]);
    expect((await readOpenCall(world.store, call))?.state).toBe("unknown");
  });

  test("a person resolves it as done, and the step is bound", async () => {
    const meta = { "dev.signalbox/key": "k1" };
    const call = await crashed(meta);
    await recover();
    await resolve(call, "done");
    expect(textOf(await world.call("files__write", { path: "a" }, meta))).toMatchObject({
      content: [{ text: expect.stringMatching(/confirmed/) as string }],
    });
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("a person may resolve it as retry only when it can no longer be dispatched", async () => {
    const meta = { "dev.signalbox/key": "k1" };
    const call = await crashed(meta);
    await recover();
    await expect(resolve(call, "retry")).rejects.toThrow(/may still be dispatched/);
    world.clock.advance(10_000 + 15_000 + 1);
    await resolve(call, "retry");
    world.upstream.answer = () => resultOf('{"content":[]}');
    textOf(await world.call("files__write", { path: "a" }, meta));
    expect(world.upstream.sent).toHaveLength(2);
  });

  async function resolve(call: CallId, resolution: "done" | "retry"): Promise<void> {
    const change = await resolveUnknown(world.agent, call, resolution, "looked it up", {
      ...world,
      leaseMs: 15_000,
    });
    if (!change.ok) throw new Error(change.refusal.detail);
    expect((await world.store.commit(change.value.writes)).verdict).toBe("done");
    change.value.applied();
  }
});

describe("a ledger that cannot be written", () => {
  test("stops effects before anything is sent", async () => {
    await world.call("files__read", {});
    world.store.faults.next("disk-full");
    const answer = await world.call("files__write", {});
    expect(codeOf(answer)).toBe("ledger-unavailable");
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("withholds a result that could not be recorded", async () => {
    world.upstream.answer = () => {
      world.store.faults.next("disk-full");
      return resultOf('{"content":[{"type":"text","text":"the result"}]}');
    };
    const answer = await world.call("files__write", {});
    expect(codeOf(answer)).toBe("outcome-not-recorded");
    expect(JSON.stringify(answer)).not.toContain("the result");
  });
});

/** Lets the manual clock run while a call waits for a pause of its own. */
async function settle<T>(work: Promise<T>): Promise<T> {
  const progress = { isDone: false };
  const finished = work.finally(() => (progress.isDone = true));
  await until(() => progress.isDone);
  return finished;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 10_000 && !condition(); i++) {
    world.clock.advance(5);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(condition()).toBe(true);
}
