import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BoundedQueue,
  Fault,
  ManualClock,
  canonicalDigest,
  canonicalJson,
  commitment,
  delay,
  explain,
  faultFrom,
  newId,
  seededRandom,
  systemRandom,
  wallMs,
} from "./index.ts";

describe("ids", () => {
  test("have a prefix, 26 characters, and sort by time", () => {
    const random = seededRandom(1);
    const earlier = newId("call", wallMs(1_767_225_600_000), random);
    const later = newId("call", wallMs(1_767_225_600_001), random);
    expect(earlier).toMatch(/^call_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(earlier < later).toBe(true);
  });

  test("differ within one millisecond", () => {
    const ids = new Set(Array.from({ length: 10_000 }, () => newId("x", wallMs(1), systemRandom)));
    expect(ids.size).toBe(10_000);
  });
});

describe("randomness", () => {
  test("from one seed is the same, from the system never", () => {
    expect(seededRandom(7).bytes(40)).toEqual(seededRandom(7).bytes(40));
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
    expect(systemRandom.bytes(10_000)).toHaveLength(10_000);
  });
});

describe("canonical JSON", () => {
  test("sorts keys by UTF-16 units and writes numbers as RFC 8785 does", () => {
    expect(canonicalJson({ b: 1, a: [1.0, 1e21, -0], "\u20ac": "\u000f", "1": null })).toBe(
      '{"1":null,"a":[1,1e+21,0],"b":1,"€":"\\u000f"}',
    );
  });

  test("is what the library makes of it, however it is nested", () => {
    const leaf = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constant(undefined),
      fc.constant("\ud800"),
    );
    const key = fc.string({ unit: "binary" });
    const { any } = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 12, withCrossShrink: true },
        leaf,
        fc.array(tie("any"), { maxLength: 3 }),
        fc.dictionary(key, tie("any"), { maxKeys: 3 }),
      ),
    }));
    const attempt = (make: () => string | undefined): string => {
      try {
        return make() ?? "refused";
      } catch {
        return "refused";
      }
    };
    fc.assert(
      fc.property(fc.oneof(any, fc.dictionary(key, leaf)), (value) => {
        expect(attempt(() => canonicalJson(value))).toBe(attempt(() => canonicalize(value)));
      }),
    );
    const circle: unknown[] = [1];
    circle.push({ circle });
    const odd = [new Date(0), Object(5), { toJSON: () => 7 }, Object.create(null), undefined, () => 1];
    for (const value of [...odd, ...odd.map((one) => [one, { one }]), circle, Array(3), 3, "x", null])
      expect(attempt(() => canonicalJson(value))).toBe(attempt(() => canonicalize(value)));
  });

  test("digests do not depend on the order of keys", () => {
    expect(canonicalDigest({ a: 1, b: 2 })).toBe(canonicalDigest({ b: 2, a: 1 }));
  });

  test("a commitment depends on the salt", () => {
    expect(commitment(new Uint8Array(16), "x")).not.toBe(commitment(new Uint8Array(16).fill(1), "x"));
  });
});

describe("faults", () => {
  test("keep their code and explain their causes", () => {
    const fault = new Fault("upstream-lost", "calling files/read", { cause: new Error("socket closed") });
    expect(faultFrom(fault, "anything")).toBe(fault);
    expect(explain(faultFrom(new Error("inner", { cause: "deepest" }), "outer"))).toBe(
      "outer: inner: 'deepest'",
    );
    const repeated = new Fault("internal", "no write: gone", { cause: new Error("gone", { cause: "why" }) });
    expect(explain(repeated)).toBe("no write: gone: 'why'");
    expect(fault).toMatchObject({ retry: "never", effect: "unknown" });
  });
});

describe("the manual clock", () => {
  test("runs due timers in order, and only those", () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    clock.after(20, () => ran.push("b"));
    clock.after(10, () => {
      ran.push("a");
      clock.after(5, () => ran.push("a2"));
    });
    clock.after(11, () => ran.push("never"))();
    clock.after(40, () => ran.push("late"));
    clock.advance(30);
    expect(ran).toEqual(["a", "a2", "b"]);
  });

  test("a delay ends early when its signal aborts", async () => {
    const controller = new AbortController();
    const waiting = delay(new ManualClock(), 1000, controller.signal);
    controller.abort(new Error("stop"));
    await expect(waiting).rejects.toThrow("stop");
  });
});

describe("the bounded queue", () => {
  test("refuses when full and keeps order", () => {
    const queue = new BoundedQueue<number>(3);
    expect([1, 2, 3, 4].map((n) => queue.offer(n))).toEqual([true, true, true, false]);
    expect(queue.takeMany(2)).toEqual([1, 2]);
    expect(queue.offer(5)).toBe(true);
    expect([queue.take(), queue.take(), queue.take()]).toEqual([3, 5, undefined]);
  });
});
