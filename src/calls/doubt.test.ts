import { afterEach, beforeEach, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { beginReview, holdRun, readRun } from "../ledger/index.ts";
import { step } from "./approving.fixture.ts";
import type { CallAnswer } from "./call.ts";
import type { World } from "./world.fixture.ts";
import { openWorld } from "./world.fixture.ts";

/** The database has become another, and nobody knows yet whether it has all that was on record. */
let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);
const key = (name: string) => ({ [metaKeys.key]: name });
const write = (name: string, meta: Readonly<Record<string, unknown>> = step(name)) =>
  world.call("files__write", { path: name }, meta);
const end = () => world.ledger.doubt.end(world.ledger.doubt.newest);
const settled = async () => {
  for (let n = 0; n < 200; n++) await new Promise((resolve) => setImmediate(resolve));
};
const sent = () => world.upstream.sent.length;

async function beginOneReview(): Promise<void> {
  const { store, ledger, agent } = world;
  const run = await readRun(store, agent, "r1");
  const review = {
    tenant: defaultTenant,
    since: 0 as never,
    reason: "lost",
    detail: "",
    floor: 1_000,
  } as const;
  await store.commit([...(run === null ? [] : [holdRun(run)]), beginReview(review, null)]);
  await ledger.reviewsChanged();
}

/** From the next durable record on this node is in doubt, before whoever wrote it hears of it: as a flush tells it. */
function beginWithNextCommit(): void {
  const { store, ledger } = world;
  const usual = store.commit.bind(store);
  store.commit = async (writes) => {
    const verdict = await usual(writes);
    store.commit = usual;
    ledger.doubt.begin();
    return verdict;
  };
}

test("an effect waits until the doubt is over, and is sent once where nothing was lost", async () => {
  await write("s1");
  world.ledger.doubt.begin();
  const waiting = [write("s2"), write("k", key("k")), world.call("files__write", { path: "unnamed" })];
  const isKnown = await write("s1");
  expect([codeOf(isKnown), codeOf(await world.call("files__read", {}))]).toEqual(["result", "result"]);
  await settled();
  expect(sent()).toBe(2);
  end();
  await world.tickUntil(Promise.all(waiting));
  expect((await Promise.all(waiting)).map(codeOf)).toEqual(["result", "result", "result"]);
  expect(sent()).toBe(5);
});

test("where something was lost it is looked at again, and not sent", async () => {
  await write("s1");
  world.ledger.doubt.begin();
  const waiting = [write("s2"), write("k", key("k"))];
  await settled();
  await beginOneReview();
  end();
  await world.tickUntil(Promise.all(waiting));
  expect((await Promise.all(waiting)).map(codeOf)).toEqual(["run-in-review", "run-in-review"]);
  expect(sent()).toBe(1);
});

test("an intent that came on record as the doubt began is sent after it, or has failed where something was lost", async () => {
  beginWithNextCommit();
  const first = write("a", key("a"));
  await settled();
  expect([sent(), world.ledger.doubt.isOn]).toEqual([0, true]);
  end();
  expect(codeOf(await first)).toBe("result");

  beginWithNextCommit();
  const second = write("b", key("b"));
  await settled();
  await beginOneReview();
  end();
  expect(codeOf(await second)).toBe("ledger-unavailable");
  expect(sent()).toBe(1);
  expect((await world.outcomes()).at(-1)).toBe("outcome:ledger-unavailable");
  expect(codeOf(await write("b", key("b")))).toBe("run-in-review");
});

test("a review that begins between the look at a key and its intent is seen before the bytes leave", async () => {
  const { store } = world;
  const usual = store.commit.bind(store);
  store.commit = async (writes) => {
    const verdict = await usual(writes);
    store.commit = usual;
    await beginOneReview();
    return verdict;
  };
  expect(codeOf(await write("a", key("a")))).toBe("ledger-unavailable");
  expect(sent()).toBe(0);
});

test("a doubt that begins while a call waits for its connection keeps the bytes here", async () => {
  const { upstream, ledger } = world;
  const exchange = upstream.exchange.bind(upstream);
  upstream.exchange = (request) => {
    ledger.doubt.begin();
    // As the connections say it.
    if (!request.mayDispatch()) throw new Fault("deadline-before-dispatch", "forbidden", { effect: "none" });
    return exchange(request);
  };
  expect(codeOf(await write("a", key("a")))).toBe("ledger-unavailable");
  expect(sent()).toBe(0);
  upstream.exchange = exchange;
  end();
  expect(codeOf(await write("a", key("a")))).toBe("result");
});

test("no run is made under a name that is not on record, not by a read either", async () => {
  world.ledger.doubt.begin();
  const reading = world.call("files__read", {}, step("s1"));
  await settled();
  expect(await readRun(world.store, world.agent, "r1")).toBeNull();
  await beginOneReview();
  end();
  await world.tickUntil(reading);
  expect(codeOf(await reading)).toBe("run-in-review");
  expect(await readRun(world.store, world.agent, "r1")).toBeNull();
});

test("a doubt that lasts is told, and nothing was sent", async () => {
  world.ledger.doubt.begin();
  const calling = write("s1");
  await world.tickUntil(calling);
  expect(await calling).toMatchObject({ kind: "refused", refusal: { code: "ledger-unavailable" } });
  expect(sent()).toBe(0);
});
