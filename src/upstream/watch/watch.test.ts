import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CancelTimer } from "../../base/index.ts";
import { deadlineIn, Fault, ManualClock, seededRandom } from "../../base/index.ts";
import { noCapabilities, profileOf } from "../../registry/index.ts";
import type { UpstreamReply } from "../exchange.ts";
import { defaultUpstreamLimits } from "../limits.ts";
import { announcedIn } from "../lists/announced.ts";
import { FakeWire, fakeRecord } from "../lists/fake-server.fixture.ts";
import { LegacySubscriber } from "./legacy-subscriber.ts";
import { ListenSubscriber } from "./listen-subscriber.ts";
import { Watches } from "./watches.ts";

/** Knows how many timers wait. */
class CountingClock extends ManualClock {
  waiting = 0;

  override after(delayMs: number, action: () => void): CancelTimer {
    this.waiting++;
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.waiting--;
      isOver = true;
    };
    const cancel = super.after(delayMs, () => {
      over();
      action();
    });
    return () => {
      over();
      cancel();
    };
  }
}

const acknowledged = "notifications/subscriptions/acknowledged";
const settled = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

function listening(capabilities: Readonly<Record<string, unknown>> = { resources: { subscribe: true } }) {
  const clock = new CountingClock();
  const wire = new FakeWire("modern", () => Promise.reject(new Error("nothing is asked")));
  const heard: string[] = [];
  let missed = 0;
  const subscriber = new ListenSubscriber({
    wire,
    serverName: "box",
    clock,
    random: seededRandom(1),
    limits: defaultUpstreamLimits,
    announced: announcedIn(capabilities),
    onNotification: (method) => heard.push(method),
    onMissed: () => missed++,
  });
  const signal = new AbortController().signal;
  const hold = (uri: string): Promise<string> =>
    subscriber.hold(uri, deadlineIn(clock, 100_000), signal).then(
      () => "held",
      (fault: Fault) => fault.code,
    );
  const open = () => wire.streams.filter((stream) => stream.isOpen);
  /** The server honours all but those. */
  const acknowledge = (except: readonly string[] = []): void => {
    const stream = open().at(-1);
    const honoured = stream?.uris.filter((uri) => !except.includes(uri));
    stream?.listener.onNotification(acknowledged, { notifications: { resourceSubscriptions: honoured } });
  };
  /** The newest stream is over. */
  const end = (fault: Fault | null): void => {
    const stream = open().at(-1);
    if (stream === undefined) return;
    stream.isOpen = false;
    stream.listener.onEnded(fault);
  };
  return { clock, wire, heard, subscriber, hold, open, acknowledge, end, missed: () => missed };
}

describe("the stream of a modern server", () => {
  it("is replaced without a gap: the old one ends when the new one is acknowledged", async () => {
    const { clock, subscriber, hold, open, acknowledge, heard } = listening({
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
    subscriber.start();
    acknowledge();
    const [first] = open();
    const held = hold("a");
    clock.advance(50);
    expect(open()).toHaveLength(2);
    first?.listener.onNotification("notifications/tools/list_changed", {});
    expect(heard).toHaveLength(1);
    acknowledge();
    expect(await held).toBe("held");
    expect(open()).toHaveLength(1);
    first?.listener.onNotification("notifications/tools/list_changed", {});
    expect(heard).toHaveLength(1);
    subscriber.stop();
    expect([open().length, clock.waiting]).toEqual([0, 0]);
  });

  it("says nothing before it is acknowledged, and is given up when that takes too long", async () => {
    const { clock, subscriber, hold, open, heard, acknowledge, missed } = listening();
    const held = hold("a");
    clock.advance(50);
    open()[0]?.listener.onNotification("notifications/resources/updated", { uri: "a" });
    expect(heard).toEqual([]);
    clock.advance(defaultUpstreamLimits.probeTimeoutMs);
    expect(open()).toEqual([]);
    clock.advance(defaultUpstreamLimits.backoffFirstMs);
    acknowledge();
    expect(await held).toBe("held");
    expect(missed()).toBe(0);
    subscriber.stop();
  });

  it("that is lost comes back ever more slowly, and then something may have been missed", async () => {
    const { clock, subscriber, hold, wire, acknowledge, end, missed } = listening();
    const held = hold("a");
    clock.advance(50);
    acknowledge();
    await held;
    for (let i = 0; i < 5; i++) {
      const before = wire.streams.length;
      end(null);
      clock.advance((defaultUpstreamLimits.backoffFirstMs * 2 ** i) / 2 - 1);
      expect(wire.streams).toHaveLength(before);
      clock.advance(defaultUpstreamLimits.backoffFirstMs * 2 ** i);
      expect(wire.streams).toHaveLength(before + 1);
      acknowledge();
    }
    expect(missed()).toBe(5);
    subscriber.stop();
  });

  it("that is refused is not opened again, except where only something new was refused", async () => {
    const { clock, subscriber, hold, wire, acknowledge, end } = listening();
    const refusal = new Fault("upstream-rejected", "no");
    const first = hold("a");
    clock.advance(50);
    acknowledge();
    await first;
    const second = hold("b");
    clock.advance(50);
    end(refusal);
    expect(await second).toBe("upstream-rejected");
    expect(subscriber.holds("a")).toBe(true);
    expect(subscriber.holds("b")).toBe(false);
    subscriber.stop();
    expect(await hold("c")).toBe("tool-unavailable");

    const other = listening({ tools: { listChanged: true }, resources: { subscribe: true } });
    other.subscriber.start();
    other.end(refusal);
    other.clock.advance(1_000_000);
    expect(other.wire.streams).toHaveLength(1);
    expect(await other.hold("a")).toBe("upstream-rejected");
    expect(other.clock.waiting).toBe(0);
    expect(wire.streams).toHaveLength(2);
  });

  it("holds in the end what is wanted, over one stream, whatever happens in between (property)", async () => {
    const uri = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ kind: fc.constant("hold" as const), uri }),
      fc.record({ kind: fc.constant("release" as const), uri }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(10, 60, 2_000) }),
      fc.record({ kind: fc.constant("acknowledge" as const) }),
      fc.record({ kind: fc.constant("end" as const), isLost: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.subarray(["c"]), async (steps, refused) => {
        const { clock, subscriber, hold, open, acknowledge, end } = listening();
        const wanted = new Set<string>();
        for (const one of steps) {
          if (one.kind === "hold") {
            wanted.add(one.uri);
            // What the server does not honour is not wanted any more.
            void hold(one.uri).then(
              (how) => how !== "held" && how !== "tool-unavailable" && wanted.delete(one.uri),
            );
          } else if (one.kind === "release") {
            wanted.delete(one.uri);
            subscriber.release(one.uri);
          } else if (one.kind === "wait") clock.advance(one.ms);
          else if (one.kind === "acknowledge") acknowledge(refused);
          else end(one.isLost ? new Fault("upstream-lost", "gone") : null);
          await settled();
          expect(open().length).toBeLessThanOrEqual(2);
        }
        for (let i = 0; i < 12; i++) {
          acknowledge(refused);
          await settled();
          clock.advance(20_000);
        }
        acknowledge(refused);
        await settled();
        expect(open().map(({ uris }) => [...uris].toSorted())).toEqual(
          subscriber.count === 0 ? [] : [["a", "b", "c"].filter((one) => subscriber.holds(one))],
        );
        for (const one of wanted) expect(subscriber.holds(one)).toBe(true);
        subscriber.stop();
        await settled();
        expect([open().length, clock.waiting]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("subscriptions to a legacy server", () => {
  const subscribing = (answer: (method: string, uri: string) => UpstreamReply) => {
    const said: string[] = [];
    const wire = new FakeWire("legacy", async ({ method, argumentsText }) => {
      const { uri } = JSON.parse(argumentsText ?? "{}") as { readonly uri: string };
      said.push(`${method} ${uri}`);
      await Promise.resolve();
      return answer(method, uri);
    });
    const clock = new CountingClock();
    const subscriber = new LegacySubscriber(wire, fakeRecord, clock);
    const { signal } = new AbortController();
    const hold = (uri: string): Promise<void> => subscriber.hold(uri, deadlineIn(clock, 1_000), signal);
    return { said, subscriber, hold, clock };
  };
  const fine: UpstreamReply = { kind: "result", raw: "{}", value: {} };

  it("are one for many, and said one after the other", async () => {
    const { said, subscriber, hold, clock } = subscribing(() => fine);
    await Promise.all([hold("a"), hold("a")]);
    subscriber.release("a");
    await hold("a");
    expect(said).toEqual(["resources/subscribe a", "resources/unsubscribe a", "resources/subscribe a"]);
    subscriber.stop();
    await settled();
    expect([subscriber.count, clock.waiting]).toEqual([0, 0]);
  });

  it("that are refused are not held, and can be tried again", async () => {
    let isAllowed = false;
    const { subscriber, hold } = subscribing(() =>
      isAllowed ? fine : { kind: "error", error: { code: -32002, message: "no" } },
    );
    await expect(hold("a")).rejects.toMatchObject({ code: "upstream-rejected", effect: "none" });
    expect(subscriber.holds("a")).toBe(false);
    isAllowed = true;
    await hold("a");
    expect(subscriber.holds("a")).toBe(true);
    subscriber.forgetAll();
    expect(subscriber.holds("a")).toBe(false);
  });
});

describe("who watches what", () => {
  it("is kept per profile, and ends with the last watcher", () => {
    const watches = new Watches("box", defaultUpstreamLimits, new ManualClock());
    const one = { onUpdated: () => undefined };
    const two = { onUpdated: () => undefined };
    const watch = watches.add("a", noCapabilities, one);
    expect(watches.add("a", noCapabilities, two)).toBe(watch);
    expect(watches.add("a", profileOf({ sampling: {} }), one)).not.toBe(watch);
    expect(watches.remove(watch, one)).toBe(false);
    expect(watches.remove(watch, one)).toBe(false);
    expect(watches.remove(watch, two)).toBe(true);
    expect(watches.remove(watch, two)).toBe(false);
    expect(watches.size).toBe(1);
  });

  it("has a bound, for resources and for watchers", () => {
    const watches = new Watches(
      "box",
      { ...defaultUpstreamLimits, watchesMax: 1, watchersMax: 2 },
      new ManualClock(),
    );
    const add = (uri: string): unknown => watches.add(uri, noCapabilities, { onUpdated: () => undefined });
    add("a");
    expect(() => add("b")).toThrow("1 resources are being watched");
    add("a");
    expect(() => add("a")).toThrow(Fault);
  });

  it("is told the URI that the server named; one that throws disturbs nobody", () => {
    const watches = new Watches("box", defaultUpstreamLimits, new ManualClock());
    const told: string[] = [];
    watches.add("note://a", noCapabilities, {
      onUpdated: () => {
        throw new Error("gone");
      },
    });
    watches.add("note://a", noCapabilities, { onUpdated: (uri) => told.push(uri) });
    watches.updated(watches.all(), "note://ab");
    watches.updated(watches.all(), "note://a/b");
    expect(told).toEqual(["note://a/b"]);
  });

  it("is told at once and then no more than ten times a second, and never too little", () => {
    const clock = new CountingClock();
    const watches = new Watches("box", defaultUpstreamLimits, clock);
    const told: string[] = [];
    const watcher = { onUpdated: (uri: string) => told.push(uri) };
    const watch = watches.add("note://a", noCapabilities, watcher);
    for (let i = 0; i < 1_000; i++) watches.updated(watches.all(), "note://a");
    expect(told).toEqual(["note://a"]);
    clock.advance(100);
    expect(told).toEqual(["note://a", "note://a"]);
    for (let i = 0; i < 1_000; i++) watches.updated(watches.all(), `note://a/${i}`);
    clock.advance(1_000);
    expect(told).toHaveLength(2 + 16 + 1);
    expect(told.at(-1)).toBe("note://a");
    watches.updated(watches.all(), "note://a");
    watches.remove(watch, watcher);
    expect(clock.waiting).toBe(0);
  });
});
