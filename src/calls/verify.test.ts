import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault, plusMs } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { CallId, EntryId, LedgerEntry } from "../ledger/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { codeOf } from "./asking.fixture.ts";
import type { CallAnswer } from "./call.ts";
import { recoverCalls } from "./recover.ts";
import { resolvedBy } from "./resolved-by.ts";
import { verdictOf } from "./verify-question.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
/** What the verify tool answers. */
let verify: (request: UpstreamRequest) => UpstreamReply | Promise<UpstreamReply>;
/** What becomes of the call itself. */
let send: (request: UpstreamRequest) => UpstreamReply | Promise<UpstreamReply>;

const schema = { type: "object", properties: { path: { type: "string" }, amount: { type: "integer" } } };
async function openWith(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  world = await openWorld();
  await world.offer([
    { name: "send", inputSchema: schema, ...more },
    { name: "sent", inputSchema: { ...schema, additionalProperties: false } },
  ]);
  world.upstream.answer = (request) => (request.name === "sent" ? verify(request) : send(request));
  send = lost;
  verify = () => says({ happened: false });
}
beforeEach(() => openWith());
afterEach(() => world.stop());

const step = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
const start = (meta: Record<string, unknown> = step, more = {}) =>
  world.call("files__send", { path: "a", amount: 1 }, meta, more);
const ask = (meta: Record<string, unknown> = step) => after(start(meta));
const unknown = () => listOpenCalls(world.store, defaultTenant, "unknown", { limit: 10 });
const sentTo = (name: string) => world.upstream.sent.filter((each) => each.name === name);

async function after<T>(pending: Promise<T>): Promise<T> {
  await world.tickUntil(pending);
  return pending;
}
const settled = () => after(expect.poll(unknown).toEqual([]));

function lost(): never {
  throw new Fault("upstream-lost", "the connection broke");
}
const done = () => resultOf('{"content":[{"type":"text","text":"sent"}]}');
const says = (structuredContent: unknown) => resultOf(JSON.stringify({ content: [], structuredContent }));

const entry = async (id: string): Promise<LedgerEntry> =>
  (await world.ledger.entry(defaultTenant, id as EntryId))!;
const textOf = (answer: CallAnswer) => (answer.kind === "result" ? answer.text : JSON.stringify(answer));

async function lose(meta: Record<string, unknown> = step): Promise<CallId> {
  send = lost;
  expect(codeOf(await start(meta))).toBe("upstream-lost");
  const [open] = await unknown();
  send = done;
  return open!.call;
}

describe("a verifiable call whose outcome is unknown", () => {
  test("and that happened, is bound by its verify tool's word, with the result that it gives", async () => {
    const first = await lose();
    verify = () => says({ happened: true, result: { content: [{ type: "text", text: "no. 7" }] } });
    const answer = await ask();
    expect(textOf(answer)).toContain("no. 7");
    expect(await ask()).toEqual(answer);
    expect([sentTo("send").length, sentTo("sent").length]).toEqual([1, 1]);
    expect(answer.receipt?.entry).toBe(`${first}:2`);
    expect(await unknown()).toEqual([]);
  });

  test("has its question and its answer on record, each naming the one before", async () => {
    const first = await lose();
    verify = () => says({ happened: true });
    expect(textOf(await ask())).toContain("confirmed that this one was carried out");
    const resolve = (await entry(`${first}:2`)).entry;
    const by = resolvedBy(resolve)!;
    expect(by).toMatchObject({ by: "verify-tool", entry: `${first}:2` });
    const question = (await entry(`${by.call}:0`)).entry;
    expect(question).toMatchObject({
      kind: "outcome",
      after: `${first}:1`,
      decision: { effect: "allow" },
      outcome: { kind: "succeeded" },
    });
    expect(question.subject).toMatch(/\/sent$/);
    expect(question.principals).toEqual(resolve.principals);
    expect(question.principals[0]).not.toBe(world.agent.id);
  });

  test("is known to its server by its id, and asked about with the arguments its class names", async () => {
    const first = await lose();
    verify = () => says({ happened: true });
    await ask();
    expect(sentTo("send")[0]?.meta).toMatchObject({ [metaKeys.call]: first });
    expect(sentTo("sent")[0]).toMatchObject({
      argumentsText: '{"path":"a"}',
      meta: { [metaKeys.verifies]: first },
    });
  });

  test("and that did not happen, is sent again as a new call, once nothing can be on its way any more", async () => {
    const first = await lose();
    const lostAt = Number(world.clock.monotonic());
    const pending = start();
    await expect.poll(() => sentTo("sent").length).toBe(1);
    expect(sentTo("send")).toHaveLength(1);
    const answer = await after(pending);
    expect(answer.kind).toBe("result");
    expect(sentTo("send")).toHaveLength(2);
    // The no that came too early is not counted: it was asked for again.
    expect(sentTo("sent")).toHaveLength(2);
    expect(Number(world.clock.monotonic()) - lostAt).toBeGreaterThanOrEqual(25_000);
    const again = answer.receipt!.entry.split(":")[0];
    expect((await entry(`${again}:0`)).entry.after).toBe(`${first}:2`);
    expect((await entry(`${first}:2`)).entry.outcome).toEqual({ kind: "failed", code: "outcome-unknown" });
  });

  test("is verified in the background too, and never sent by that", async () => {
    await lose();
    await settled();
    expect(sentTo("send")).toHaveLength(1);
    expect((await ask()).kind).toBe("result");
    expect(sentTo("send")).toHaveLength(2);
  });

  test("is asked about at the first look, by a clock that does not stand still", async () => {
    const monotonic = world.clock.monotonic.bind(world.clock);
    let readings = 0;
    world.clock.monotonic = () => plusMs(monotonic(), readings++ / 1_000);
    const first = await lose();
    world.clock.advance(5_000);
    await expect.poll(() => sentTo("sent").length).toBe(1);
    await expect.poll(() => world.line.trying(first)?.tries).toBe(1);
  });

  test("without a step or key is verified all the same", async () => {
    await lose({});
    verify = () => says({ happened: true });
    await settled();
    expect((await world.outcomes()).at(-1)).toBe("resolve:succeeded");
  });

  test("that a killed process left is verified after the restart", async () => {
    send = () => new Promise(() => undefined);
    void start();
    await expect.poll(() => sentTo("send").length).toBe(1);
    await recoverCalls({ ...world, node: { name: "local", fence: 2 } });
    verify = () => says({ happened: true });
    await settled();
    expect((await ask()).kind).toBe("result");
  });

  test("is asked about once for all who wait", async () => {
    await lose();
    let answer: (reply: UpstreamReply) => void = () => undefined;
    verify = () => new Promise((resolve) => (answer = resolve));
    const all = Array.from({ length: 6 }, () => start());
    await expect.poll(() => sentTo("sent").length).toBe(1);
    answer(says({ happened: true }));
    const answers = await after(Promise.all(all));
    expect(new Set(answers.map(textOf)).size).toBe(1);
    expect(sentTo("sent")).toHaveLength(1);
  });

  test("is waited for until the caller's deadline, and not after it has gone", async () => {
    await lose();
    verify = () => new Promise(() => undefined);
    const deadline = { at: (Number(world.clock.monotonic()) + 5_000) as never };
    expect(codeOf(await after(start(step, { deadline })))).toBe("outcome-unknown");
    const gone = new AbortController();
    const pending = start(step, { signal: gone.signal });
    gone.abort();
    expect(codeOf(await pending)).toBe("outcome-unknown");
  });

  test("is asked about again while its server cannot be reached, and no longer than it makes sense", async () => {
    await lose();
    let asked = 0;
    verify = () => {
      if (++asked > 2) return says({ happened: true });
      throw new Fault("upstream-lost", "it broke");
    };
    expect((await ask()).kind).toBe("result");
    expect(asked).toBeGreaterThan(2);
  });

  test("is left to people when asking leads nowhere, and they see why", async () => {
    const first = await lose();
    verify = () => says({ happened: "perhaps" });
    const answer = await ask();
    expect(codeOf(answer)).toBe("outcome-unknown");
    expect(JSON.stringify(answer)).toContain("A person must resolve it");
    expect(world.line.trying(first)).toMatchObject({
      tries: 1,
      last: expect.stringContaining("true or false"),
    });
    const hours = (n: number) => n * 3_600_000;
    for (let ms = 0; ms < hours(3); ms += 5_000) {
      world.clock.advance(5_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sentTo("sent").length).toBeGreaterThan(5);
    expect(sentTo("sent").length).toBeLessThanOrEqual(12);
    expect(world.line.trying(first)?.nextInMs).toBeNull();
    expect(await unknown()).toHaveLength(1);
    expect(sentTo("send")).toHaveLength(1);
  });

  test("is not asked about by a tool that is not of class read", async () => {
    await world.offer([{ name: "send", inputSchema: schema }]);
    await lose();
    expect(JSON.stringify(await ask())).toContain("A person must resolve it");
    expect(sentTo("sent")).toEqual([]);
  });

  test("is asked about where no policy says anything, and not where one forbids it", async () => {
    const agentOnly = `permit(principal is Agent, action, resource);`;
    world.setPolicies(agentOnly);
    await lose();
    world.setPolicies(`${agentOnly} forbid(principal is Service, action, resource);`);
    expect(JSON.stringify(await ask())).toContain("A person must resolve it");
    expect(sentTo("sent")).toEqual([]);
    world.setPolicies(agentOnly);
    verify = () => says({ happened: true });
    expect((await ask()).kind).toBe("result");
  });

  test("asks no people whether the node may look", async () => {
    await lose();
    world.setPolicies(
      'permit(principal, action, resource); @approve("group=finance") forbid(principal, action, resource);',
    );
    expect(JSON.stringify(await ask())).toContain("A person must resolve it");
    expect(await listOpenCalls(world.store, defaultTenant, "pending", { limit: 1 })).toEqual([]);
  });

  test("keeps to itself a result that breaks its own output schema", async () => {
    const outputSchema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    await world.stop();
    await openWith({ outputSchema });
    await lose();
    verify = () => says({ happened: true, result: { content: [], structuredContent: { n: "x" } } });
    const answer = await ask();
    expect(answer.kind).toBe("result");
    expect(textOf(answer)).toContain("result-invalid");
    const entries = await world.ledger.list(defaultTenant, { limit: 100 });
    const settled = entries.find(({ entry }) => entry.kind === "resolve");
    expect(settled?.entry.outcome).toMatchObject({ kind: "succeeded", withheld: "result-invalid" });
  });

  test("stays unknown when the ledger cannot be written, and is settled when it can", async () => {
    await lose();
    verify = () => {
      world.store.faults.next("disk-full");
      verify = () => says({ happened: true });
      return says({ happened: true });
    };
    expect((await ask()).kind).toBe("result");
    expect(await unknown()).toEqual([]);
  });
});

describe("the answer of a verify tool", () => {
  const verdict = (value: unknown) => {
    const text = JSON.stringify(value);
    return verdictOf({ kind: "result", text, receipt: null }).kind;
  };
  test.each([
    [{ happened: true }, "happened"],
    [{ happened: true, result: { content: [] } }, "happened"],
    [{ happened: false }, "did-not-happen"],
    [{ happened: "true" }, "no-answer"],
    [{ happened: null }, "no-answer"],
    [{ happened: false, pending: true }, "no-answer"],
    [{ happened: false, result: { content: [] } }, "no-answer"],
    [{ happened: true, result: "7" }, "no-answer"],
    [{ happened: true, result: {} }, "no-answer"],
    [{ happened: true, result: { content: [], resultType: "input_required" } }, "no-answer"],
    [{}, "no-answer"],
    [[], "no-answer"],
    [undefined, "no-answer"],
  ])("%j is %s", (structuredContent, kind) => {
    expect(verdict({ content: [], structuredContent })).toBe(kind);
  });

  test("that says it is an error is none, whatever it says besides", () => {
    expect(verdict({ content: [], isError: true, structuredContent: { happened: false } })).toBe("no-answer");
  });
});
