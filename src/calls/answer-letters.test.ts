import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../base/index.ts";
import { isWaiting } from "../store/index.ts";
import type { LetterNode } from "../../test/fixtures/letter-nodes.ts";
import { letterNodes } from "../../test/fixtures/letter-nodes.ts";
import type { AnswerDesk, AskedAt, Delivery, Letter } from "./answer-letters.ts";

class Desk implements AnswerDesk {
  hasOpen = true;
  readonly taken: Letter[] = [];

  take(letter: Letter): boolean {
    this.taken.push(letter);
    return true;
  }
}

let clock: ManualClock;
let one: LetterNode;
let two: LetterNode;
let stop: () => Promise<void>;
const stays = new AbortController().signal;

beforeEach(async () => {
  clock = new ManualClock();
  const { nodes, stop: stopAll } = await letterNodes(clock, ["one", "two"]);
  const [first, second] = nodes;
  if (first === undefined || second === undefined) throw new Error("two nodes");
  [one, two, stop] = [first, second, stopAll];
});
afterEach(() => stop());

const letter = (question = "q", client = "c"): Letter => ({
  client,
  question,
  answer: { kind: "answer", result: { action: "accept", content: { secret: "s3cret" } } },
});
const waits = (question = "q") => isWaiting(two.store, `answers/one/${one.lease.fence}`, question);

/** Lets time pass until it is settled. */
async function settled<T>(work: Promise<T>): Promise<T> {
  const progress = { isSettled: false };
  void work.finally(() => (progress.isSettled = true)).catch(() => undefined);
  for (let i = 0; i < 1_000 && !progress.isSettled; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  return work;
}

const deliver = (at: AskedAt = one.letters.here, what = letter(), signal = stays): Promise<Delivery> =>
  two.letters.deliver(at, what, signal);

describe("an answer that arrived on another node", () => {
  test("reaches the node that asked, once, as it was given", async () => {
    const desk = new Desk();
    one.letters.watch(desk);
    one.letters.watch(desk);
    expect(await settled(deliver())).toBe("taken");
    expect(desk.taken).toEqual([letter()]);
    expect(await waits()).toBe(false);
    expect([...one.troubles, ...two.troubles]).toEqual([]);
  });

  test("is taken back when no question is open there any more", async () => {
    const desk = new Desk();
    desk.hasOpen = false;
    one.letters.watch(desk);
    expect(await settled(deliver())).toBe("gone");
    expect(await waits()).toBe(false);
    expect(desk.taken).toEqual([]);
  });

  test("is refused at once when that node has gone, or was started anew", async () => {
    expect(await deliver({ ...one.letters.here, fence: one.lease.fence + 1 })).toBe("gone");
    expect(await deliver({ node: "nowhere", fence: 1 })).toBe("gone");
    expect(await deliver(two.letters.here)).toBe("gone");
    await one.store.releaseLease(one.lease);
    expect(await deliver()).toBe("gone");
    expect(await waits()).toBe(false);
  });

  test("is taken back when that node goes meanwhile, and when whoever sent it goes away", async () => {
    const leaving = new AbortController();
    const abandoned = deliver(one.letters.here, letter("left"), leaving.signal);
    const lost = deliver(one.letters.here, letter("lost"));
    await expect.poll(() => waits("lost")).toBe(true);
    leaving.abort();
    expect(await settled(abandoned)).toBe("gone");
    await one.store.releaseLease(one.lease);
    expect(await settled(lost)).toBe("gone");
    expect([await waits("left"), await waits("lost")]).toEqual([false, false]);
  });

  test("lies in the store sealed", async () => {
    const pending = deliver();
    await expect.poll(() => waits()).toBe(true);
    const [signal] = await one.store.takeSignals(`answers/one/${one.lease.fence}`, 9);
    const text = Buffer.from(signal?.payload ?? "", "base64").toString("latin1");
    expect(text).not.toContain("s3cret");
    expect(await settled(pending)).toBe("taken");
  });

  test("is not taken under another question's id", async () => {
    const desk = new Desk();
    const pending = deliver();
    await expect.poll(() => waits()).toBe(true);
    const topic = `answers/one/${one.lease.fence}`;
    const [signal] = await one.store.takeSignals(topic, 9);
    await one.store.putSignal({ topic, key: "another", payload: signal?.payload ?? "" });
    one.letters.watch(desk);
    await settled(pending);
    await expect.poll(() => isWaiting(one.store, topic, "another")).toBe(false);
    expect(desk.taken).toEqual([]);
  });

  test("waits with a few others of its client, and a second time not at all", async () => {
    const first = deliver();
    const same = deliver();
    const more = Array.from({ length: 20 }, (_, i) => deliver(one.letters.here, letter(`q${i}`)));
    const other = deliver(one.letters.here, letter("other", "d"));
    const ends = await settled(Promise.all([first, same, ...more, other]));
    expect(ends.slice(0, 2)).toEqual(["gone", "busy"]);
    expect(ends.filter((end) => end === "busy")).toHaveLength(7);
    expect(ends.at(-1)).toBe("gone");
  });
});
