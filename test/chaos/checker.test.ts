import { describe, expect, test } from "vitest";
import type { LoggedEntry, Remains, Violation } from "./checker.ts";
import { violationsIn } from "./checker.ts";
import type { Effect, Exchange, Wish } from "./history.ts";

/** One payment by step that went well, and every way in which its story could be a lie. */
const wish: Wish = { to: "p", class: "effect", isApproved: false, name: { step: "p" } };
const idempotent: Wish = { ...wish, class: "idempotent" };
const heard = { kind: "done", text: "paid", entry: "c1:1", leaf: "leaf of c1:1" } as const;
const exchange = (more: Partial<Exchange> = {}): Exchange => ({
  wish,
  node: "node-0",
  askedAt: 100,
  heardAt: 200,
  heard,
  ...more,
});
const effect = (more: Partial<Effect> = {}): Effect => ({
  tool: "pay",
  to: "p",
  key: null,
  at: 150,
  ...more,
});
const entry = (id: string, more: Partial<LoggedEntry> = {}): LoggedEntry => ({
  id: id as LoggedEntry["id"],
  kind: "intent",
  call: (id.split(":")[0] ?? "") as LoggedEntry["call"],
  run: "r1" as LoggedEntry["run"],
  step: "p",
  outcome: null,
  after: null,
  at: 140,
  leafHash: `leaf of ${id}`,
  ...more,
});
const outcome = (
  id: string,
  kind: NonNullable<LoggedEntry["outcome"]>["kind"],
  more: Partial<LoggedEntry> = {},
): LoggedEntry =>
  entry(id, {
    kind: "outcome",
    outcome: kind === "succeeded" ? { kind, isError: false } : { kind, code: "upstream-lost" },
    after: id.replace(/:.*/, ":0") as LoggedEntry["id"],
    at: 190,
    ...more,
  });
const well = [entry("c1:0"), outcome("c1:1", "succeeded")];
const remains = (more: Partial<Remains> = {}): Remains => ({
  exchanges: [exchange()],
  effects: [effect()],
  checkpoints: [
    { node: "node-0", size: 2, root: "a", at: 200 },
    { node: "node-1", size: 2, root: "a", at: 200 },
    { node: "node-1", size: 3, root: "b", at: 200 },
  ],
  entries: well,
  broken: [],
  dispatched: [],
  runs: [
    { name: "one", state: "finished", isAtUnknown: false },
    { name: "two", state: "open", isAtUnknown: true },
  ],
  clocksAgree: true,
  forgotten: null,
  ...more,
});
const rules = (more: Partial<Remains>): Violation["rule"][] =>
  violationsIn(remains(more)).map(({ rule }) => rule);

describe("the checker of histories", () => {
  test("has nothing to say of one in which everything was kept", () => {
    expect(rules({})).toEqual([]);
    // It was lost once, then given back.
    expect(rules({ exchanges: [exchange({ heard: { kind: "lost" } }), exchange(), exchange()] })).toEqual([]);
    // Nobody knows whether it was carried out: then it may have been, once, or not.
    const unknown = {
      exchanges: [exchange({ heard: { kind: "refused", code: "outcome-unknown", effect: "unknown" } })],
      entries: [entry("c1:0"), outcome("c1:1", "unknown")],
    };
    expect(rules(unknown)).toEqual([]);
    expect(rules({ ...unknown, effects: [] })).toEqual([]);
    // A first try that provably did nothing.
    const again = [entry("c0:0"), outcome("c0:1", "failed"), ...well];
    expect(rules({ entries: again })).toEqual([]);
    // What may be repeated is, under the same key.
    expect(
      rules({
        exchanges: [exchange({ wish: idempotent })],
        effects: [effect({ key: "k" }), effect({ key: "k" })],
        entries: [entry("c0:0"), outcome("c0:1", "unknown"), ...well],
      }),
    ).toEqual([]);
  });

  const lies: readonly [Violation["rule"], Partial<Remains>][] = [
    ["acknowledged-lost", { exchanges: [exchange({ heard: { ...heard, entry: "c9:1" } })] }],
    ["receipt-differs", { exchanges: [exchange({ heard: { ...heard, leaf: "another" } })] }],
    ["answer-not-on-record", { entries: [entry("c1:0"), outcome("c1:1", "unknown")] }],
    ["answers-differ", { exchanges: [exchange(), exchange({ heard: { ...heard, text: "paid again" } })] }],
    ["done-without-effect", { effects: [] }],
    ["effect-duplicated", { effects: [effect(), effect()] }],
    [
      "effect-under-two-keys",
      { exchanges: [exchange({ wish: idempotent })], effects: [effect({ key: "a" }), effect({ key: "b" })] },
    ],
    ["effect-without-intent", { entries: [outcome("c1:1", "succeeded", { after: null })] }],
    ["effect-after-outcome", { effects: [effect({ at: 900 })] }],
    ["approved-by-nobody", { exchanges: [exchange({ wish: { ...wish, isApproved: true } })] }],
    [
      "call-ended-twice",
      { entries: [...well, outcome("c1:3", "failed", { step: null, after: "c1:1" as LoggedEntry["id"] })] },
    ],
    ["call-without-end", { entries: [...well, entry("c2:0", { step: "q" })] }],
    ["call-left-dispatched", { dispatched: ["c7"] }],
    [
      "step-done-twice",
      {
        entries: [...well, outcome("c2:1", "succeeded", { after: null })],
      },
    ],
    ["step-entered-again", { entries: [entry("c0:0"), outcome("c0:1", "unknown"), ...well] }],
    ["log-out-of-order", { entries: well.toReversed() }],
    [
      "log-forked",
      {
        checkpoints: [
          { node: "node-0", size: 2, root: "a", at: 200 },
          { node: "node-1", size: 2, root: "z", at: 200 },
        ],
      },
    ],
    ["ledger-broken", { broken: ["entry 3"] }],
    ["run-unfinished", { runs: [{ name: "one", state: "open", isAtUnknown: false }] }],
  ];
  test.each(lies)("names %s, and nothing else", (rule, broken) => {
    expect(rules(broken)).toEqual([rule]);
  });

  test("lets a database that was brought back forget, and nobody do anything twice", () => {
    const forgotten = { from: 100, until: 300 };
    expect(rules({ entries: [], forgotten })).toEqual([]);
    expect(rules({ entries: [], forgotten: { from: 5_000, until: 6_000 } })).toEqual([
      "acknowledged-lost",
      "effect-without-intent",
    ]);
    expect(rules({ entries: [], forgotten, effects: [effect(), effect()] })).toEqual(["effect-duplicated"]);
  });

  test("does not compare the times of machines whose clocks differ", () => {
    expect(rules({ effects: [effect({ at: 900 })], clocksAgree: false })).toEqual([]);
  });
});
