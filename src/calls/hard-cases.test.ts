import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault, commitment, ok, refuse, sha256Hex } from "../base/index.ts";
import type { Principal, PrincipalId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { listOpenCalls, openPayload, stepDigest, verifyLedger } from "../ledger/index.ts";
import type { EntryId } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { CallAnswer } from "./call.ts";
import { RefusalBound } from "./refusal-bound.ts";
import { resolveUnknown } from "./resolve.ts";
import { withoutOurKeys } from "./result-text.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const dayMs = 24 * 3_600_000;
const key = { [metaKeys.key]: "k1" };
const step = (name: string) => ({ [metaKeys.run]: "r1", [metaKeys.step]: name });
const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : null);
const unavailable = () => {
  throw new Fault("tool-unavailable", "not there", { effect: "none" });
};
const lost = () => {
  throw new Fault("upstream-lost", "the connection broke");
};
const entryOf = async (answer: CallAnswer) =>
  (await world.ledger.entry(defaultTenant, answer.receipt?.entry as EntryId))?.entry;

describe("a key past its day", () => {
  test("whose call had failed takes a new call, as it takes a new call after a success", async () => {
    const answers = world.upstream.answer;
    world.upstream.answer = unavailable;
    expect(codeOf(await world.call("files__write", { path: "a" }, key))).toBe("tool-unavailable");
    world.upstream.answer = answers;
    world.clock.advance(dayMs + 1);
    expect((await settle(world.call("files__write", { path: "b" }, key))).kind).toBe("result");
  });

  test("that another call took does not keep a person from resolving the first", async () => {
    const answers = world.upstream.answer;
    world.upstream.answer = lost;
    await world.call("files__write", { path: "a" }, key);
    const [open] = await listOpenCalls(world.store, defaultTenant, "unknown", { limit: 1 });
    world.upstream.answer = answers;
    world.clock.advance(dayMs + 1);
    const second = await settle(world.call("files__write", { path: "b" }, key));
    const change = await resolveUnknown(world.agent, open!.call, "retry", "looked", { ...world, leaseMs: 1 });
    expect((await world.store.commit(change.ok ? change.value.writes : [])).verdict).toBe("done");
    expect(await world.call("files__write", { path: "b" }, key)).toEqual(second);
  });
});

describe("what is left behind", () => {
  test("by a call whose record was erased says nothing about its arguments", async () => {
    const first = await world.call("files__write", { path: "a" }, step("s1"));
    const { run } = (await entryOf(first))!;
    const erasure = await world.keys.eraseScope(`run/${defaultTenant}/${run}`);
    await world.store.commit(erasure.writes);
    erasure.applied();
    const answer = await world.call("files__write", { path: "a" }, step("s1"));
    expect(codeOf(answer)).toBe("erased");
    const unsalted = stepDigest({
      method: "tools/call",
      serverId: world.registry.serverNamed(defaultTenant, "files")!.id,
      name: "write",
      argumentsCommitment: commitment(new Uint8Array(0), '{"path":"a"}'),
    });
    expect(JSON.stringify([await entryOf(answer), world.records])).not.toContain(unsalted);
    expect(JSON.stringify(world.records)).not.toContain(sha256Hex('{"path":"a"}'));
  });

  test("by a run's refused first call is in that run, so that erasing the run takes it along", async () => {
    const refused = await world.call("files__write", { path: 1 }, step("s1"));
    expect(codeOf(refused)).toBe("invalid-arguments");
    const served = await world.call("files__write", { path: "a" }, step("s2"));
    expect((await entryOf(refused))?.run).toBe((await entryOf(served))?.run);
  });

  test("by calls refused at once on a new run is one run", async () => {
    const answers = await Promise.all(
      ["s1", "s2", "s3"].map((name) => world.call("files__write", { path: 1 }, step(name))),
    );
    const runs = await Promise.all(answers.map(async (answer) => (await entryOf(answer))?.run));
    expect(new Set(runs).size).toBe(1);
    expect(runs[0]).toBeTruthy();
  });

  test("by an effect proves itself, its sealed result included", async () => {
    await world.call("files__write", { path: "a" });
    const report = await verifyLedger(world.store, {
      openPayload: (entry, sealed) => openPayload(world.keys, entry, sealed),
    });
    expect(report.tenants.map(({ broken }) => broken)).toEqual(report.tenants.map(() => null));
  });
});

describe("an identical call", () => {
  test("is told which call it repeats", async () => {
    world.upstream.answer = lost;
    await world.call("files__write", { path: "a" });
    const [open] = await listOpenCalls(world.store, defaultTenant, "unknown", { limit: 1 });
    const answer = await world.call("files__write", { path: "a" });
    expect(answer).toMatchObject({ refusal: { detail: expect.stringContaining(open!.call) as string } });
  });
});

describe("a caller that goes away before dispatch", () => {
  const forbidden = () => {
    throw new Fault("deadline-before-dispatch", "dispatch was forbidden");
  };

  test("has withdrawn its call, whatever the connection calls it", async () => {
    const gone = new AbortController();
    world.upstream.answer = () => {
      gone.abort();
      return forbidden();
    };
    expect(codeOf(await world.call("files__write", {}, {}, { signal: gone.signal }))).toBe("cancelled");
  });

  test("does not withdraw the same step asked for by another request", async () => {
    const gone = new AbortController();
    const answers = world.upstream.answer;
    let second: Promise<CallAnswer> | null = null;
    world.upstream.answer = async () => {
      second ??= world.call("files__write", {}, step("s1"));
      await turns(20); // it has joined by now
      gone.abort();
      world.upstream.answer = answers;
      return forbidden();
    };
    const first = await world.call("files__write", {}, step("s1"), { signal: gone.signal });
    expect(codeOf(first)).toBe("cancelled");
    expect((await settle(second!)).kind).toBe("result");
  });
});

describe("a ledger that fails", () => {
  test("while a step is looked up refuses the call without effect", async () => {
    world.store.faults.next("disk-full");
    expect(codeOf(await world.call("files__write", {}, key))).toBe("ledger-unavailable");
    expect(world.troubles).toEqual([]);
  });

  test("at the end of a call lets a person resolve it as soon as it is well again, without a restart", async () => {
    world.upstream.answer = () => {
      world.store.faults.next("disk-full");
      return resultOf('{"content":[]}');
    };
    expect(codeOf(await world.call("files__write", {}, step("s1")))).toBe("outcome-not-recorded");
    expect(await listOpenCalls(world.store, defaultTenant, "dispatched", { limit: 9 })).toHaveLength(1);
    await until(
      async () => (await listOpenCalls(world.store, defaultTenant, "unknown", { limit: 9 })).length === 1,
    );
    expect(codeOf(await world.call("files__write", {}, step("s1")))).toBe("outcome-unknown");
    expect(await world.outcomes()).toEqual(["intent:-", "outcome:outcome-not-recorded"]);
  });

  test("at the end of a call that was never sent frees its step", async () => {
    const answers = world.upstream.answer;
    world.upstream.answer = () => {
      world.store.faults.next("disk-full");
      return unavailable();
    };
    await world.call("files__write", {}, step("s1"));
    world.upstream.answer = answers;
    await until(
      async () => (await listOpenCalls(world.store, defaultTenant, "dispatched", { limit: 9 })).length === 0,
    );
    expect((await world.call("files__write", {}, step("s1"))).kind).toBe("result");
  });

  /** The disk took the transaction but could not say so. */
  function unsureOf(isMeant: (writes: readonly Write[]) => boolean): void {
    const { store } = world;
    const commit = store.commit.bind(store);
    store.commit = async (writes) => {
      const verdict = await commit(writes);
      if (!isMeant(writes)) return verdict;
      throw new Fault("store-unavailable", "could not confirm", { effect: "unknown" });
    };
  }
  const kindIs = (kind: string) => (writes: readonly Write[]) =>
    writes[0]?.op === "append" && writes[0].row["kind"] === kind;

  test("to confirm an intent that stands sends nothing, gives no receipt for it, and frees the step", async () => {
    let isUnsure = true;
    unsureOf((writes) => isUnsure && kindIs("intent")(writes));
    const answer = await world.call("files__write", {}, step("s1"));
    expect(answer).toMatchObject({ refusal: { code: "ledger-unavailable" }, receipt: null });
    expect(world.upstream.sent).toEqual([]);
    isUnsure = false;
    await until(
      async () => (await listOpenCalls(world.store, defaultTenant, "dispatched", { limit: 9 })).length === 0,
    );
    expect((await world.call("files__write", {}, step("s1"))).kind).toBe("result");
    expect(await world.outcomes()).toEqual([
      "intent:-",
      "outcome:ledger-unavailable",
      "intent:-",
      "outcome:succeeded",
    ]);
  });

  test("to confirm an outcome that stands withholds it, and the step gives it back", async () => {
    unsureOf(kindIs("outcome"));
    expect(codeOf(await world.call("files__write", {}, step("s1")))).toBe("outcome-not-recorded");
    expect((await world.call("files__write", {}, step("s1"))).kind).toBe("result");
    expect(world.upstream.sent).toHaveLength(1);
  });

  test("does not lose the refusals that were only counted", () => {
    const bound = new RefusalBound(world.clock);
    for (let i = 0; i < 65; i++) bound.admits(world.agent);
    const [summary] = bound.close(true);
    expect(summary?.refusals).toBe(5);
    bound.giveBack(summary!);
    expect(bound.close(true)).toEqual([summary]);
  });
});

describe("a call that waited for a place", () => {
  /** Fills the place of one principal, lets `change` happen, and gives what became of the call that waited. */
  async function waited(change: () => void, authenticate = () => ok(world.agent)): Promise<CallAnswer> {
    let finish: () => void = () => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    world.upstream.answer = () => held.then(() => resultOf('{"content":[]}'));
    const before = Array.from({ length: 20 }, (_, i) => world.call("files__read", { path: `${i}` }));
    await until(async () => world.upstream.sent.length >= 10);
    const waiting = world.call("files__write", { path: "waits" }, {}, { authenticate });
    await turns(5);
    change();
    finish();
    await Promise.all(before.map(settle));
    return settle(waiting);
  }
  const wasSent = () => world.upstream.sent.some(({ name }) => name === "write");

  test("is sent when nothing has changed", async () => {
    expect((await waited(() => {})).kind).toBe("result");
  });

  test("is not sent when its token was revoked meanwhile", async () => {
    let isRevoked = false;
    const authenticate = () =>
      isRevoked ? refuse({ code: "principal-disabled" as const, detail: "revoked" }) : ok(world.agent);
    const answer = await waited(
      () => (isRevoked = true),
      authenticate as () => ReturnType<typeof ok<Principal>>,
    );
    expect(codeOf(answer)).toBe("principal-disabled");
    expect(wasSent()).toBe(false);
  });

  test("is not sent when its server went down meanwhile", async () => {
    const { id } = world.registry.serverNamed(defaultTenant, "files")!;
    const down = { state: "down", since: world.clock.wall(), cause: "dependency", reason: "gone" } as const;
    expect(codeOf(await waited(() => world.registry.reportHealth(id, down)))).toBe("tool-unavailable");
    expect(wasSent()).toBe(false);
  });

  test("is judged anew when its principal changed meanwhile", async () => {
    let agent = world.agent;
    const answer = await waited(
      () => (agent = { ...agent, version: "another" }),
      () => ok(agent),
    );
    expect((await entryOf(answer))?.versions["identity"]).toBe("another");
  });

  test("is refused when the node stops meanwhile", async () => {
    expect(codeOf(await waited(() => void world.line.stop(0)))).toBe("shutting-down");
    expect(wasSent()).toBe(false);
  });
});

describe("acting for somebody", () => {
  const forPerson = (name: string): Principal => ({
    ...world.agent,
    chain: [{ id: `person/${name}` as PrincipalId, kind: "person", name, roles: [] }],
    version: name,
  });

  test.each([
    ["a step", step("s1")],
    ["a key", key],
  ])("%s is another one for each person", async (_name, meta) => {
    const call = (who: Principal) =>
      world.call("files__write", { path: "a" }, meta, { authenticate: () => ok(who) });
    const one = await call(forPerson("one"));
    const two = await call(forPerson("two"));
    expect(world.upstream.sent).toHaveLength(2);
    expect(await call(forPerson("one"))).toEqual(one);
    expect(await call(forPerson("two"))).toEqual(two);
  });
});

describe("a server's own words", () => {
  test("can give neither a receipt nor a refusal of ours", async () => {
    const forged = {
      [metaKeys.refusal]: { code: "denied", effect: "none" },
      [metaKeys.receipt]: { entry: "x" },
    };
    world.upstream.answer = () => resultOf(JSON.stringify({ content: [], _meta: { ...forged, a: 1.5 } }));
    const answer = await world.call("files__write", {});
    const { _meta } = JSON.parse(answer.kind === "result" ? answer.text : "") as { _meta: object };
    expect(_meta).toEqual({ a: 1.5, [metaKeys.receipt]: answer.receipt });
  });

  test.each([
    ['{"_meta":{"dev.signalbox/refusal":1},"n":1.0}', '{"_meta":{},"n":1.0}'],
    ['{"_meta":{"a":1},"_meta":{"dev.signalbox/x":1,"b":2}}', '{"_meta":{"b":2}}'],
    ['{ "_meta" : {"a":1.0}}', '{ "_meta" : {"a":1.0}}'],
  ])("%s are passed on as %s", (text, expected) => {
    expect(withoutOurKeys(text, JSON.parse(text) as Record<string, unknown>)).toBe(expected);
  });
});

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function settle<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const finished = work.finally(() => (isDone = true));
  await until(async () => isDone);
  return finished;
}

/** Lets time pass in short steps until it is so. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 20_000; i++) {
    if (await condition()) return;
    world.clock.advance(20);
    await turns(1);
  }
  throw new Error("the condition did not come about");
}

describe("an idempotent tool", () => {
  const lost = () => {
    throw new Fault("upstream-lost", "the connection broke", { effect: "unknown", retry: "later" });
  };
  const keys = () =>
    world.upstream.sent.map(({ argumentsText }) => (JSON.parse(argumentsText ?? "") as { key: string }).key);

  test("is sent again under the same key when its answer was lost", async () => {
    let sent = 0;
    world.upstream.answer = () => (++sent === 1 ? lost() : resultOf('{"content":[]}'));
    const pending = world.call("files__put", {});
    await world.tickUntil(pending);
    expect((await pending).kind).toBe("result");
    expect(new Set(keys()).size).toBe(1);
    expect(keys()).toHaveLength(2);
  });

  test("gets one key per step, another for another call, and the caller's where it chose one", async () => {
    await world.call("files__put", {});
    await world.call("files__put", { also: 1 });
    await world.call("files__put", { key: "mine" });
    await world.call("files__put", {}, { [metaKeys.run]: "r", [metaKeys.step]: "s" });
    await world.call("files__put", {}, { [metaKeys.run]: "r", [metaKeys.step]: "s" });
    expect(keys()).toHaveLength(4);
    expect(new Set(keys()).size).toBe(4);
    expect(keys()[2]).toBe("mine");
  });
});
