import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalDigest, canonicalJson, msOf, sha256, wallMs } from "../base/index.ts";
import type { Sha256Hex } from "../base/index.ts";
import { intentDigest, stepDigest } from "./digests.ts";
import type { IntentIdentity } from "./digests.ts";
import { entryOfLeaf, leafHashOf, leafText } from "./leaf.ts";
import { entryKinds } from "./shapes.ts";
import type { Entry, Outcome } from "./shapes.ts";

const words = fc.string({ unit: "binary", maxLength: 12 }); // any code points, no lone surrogates
const wordOrNull = fc.option(words);
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({ kind: fc.constant("succeeded" as const), isError: fc.boolean() }),
  fc.record({
    kind: fc.constant("succeeded" as const),
    isError: fc.boolean(),
    withheld: fc.constant("result-invalid" as const),
  }),
  fc.record({
    kind: fc.constantFrom("failed" as const, "unknown" as const, "refused" as const),
    code: fc.constantFrom("denied" as const, "upstream-lost" as const, "internal" as const),
  }),
);

/** Any entry, branded strings included: what the leaf must hold is only their text. */
const entries = fc
  .record({
    id: words,
    kind: fc.constantFrom(...entryKinds),
    tenant: words,
    at: fc.nat({ max: 4_102_444_800_000 }).map(wallMs),
    call: wordOrNull,
    run: wordOrNull,
    step: wordOrNull,
    principals: fc.array(words, { maxLength: 4 }),
    method: words,
    subject: wordOrNull,
    versions: fc.dictionary(words, words, { maxKeys: 5, noNullPrototype: true }),
    decision: fc.option(
      fc.record({
        effect: fc.constantFrom("allow", "deny", "approve"),
        policies: fc.array(words, { maxLength: 3 }),
      }),
    ),
    intentDigest: wordOrNull,
    stepDigest: wordOrNull,
    outcome: fc.option(outcome),
    commitments: fc.dictionary(words, words, { maxKeys: 5, noNullPrototype: true }),
    after: wordOrNull,
  })
  .map((entry) => entry as unknown as Entry);

describe("a leaf", () => {
  it("is the RFC 8785 text of the entry and its version", () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(leafText(entry)).toBe(canonicalJson({ v: 1, ...entry, at: msOf(entry.at) }));
      }),
      { numRuns: 500 },
    );
  });

  it("gives its entry back", () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(entryOfLeaf(leafText(entry))).toEqual(entry);
      }),
    );
  });

  it("is hashed as RFC 6962 says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (leaf) => {
        expect(leafHashOf(leaf).equals(sha256(Buffer.of(0), leaf))).toBe(true);
      }),
    );
  });

  it("with a lone surrogate is refused rather than escaped", () => {
    const [entry] = fc.sample(entries, { numRuns: 1, seed: 1 });
    expect(() => leafText({ ...(entry as Entry), subject: "srv/\ud800" })).toThrow("lone surrogate");
  });
});

describe("the two digests", () => {
  const identity = (): IntentIdentity => ({
    method: "tools/call",
    serverId: "srv_1",
    name: "pay",
    argumentsCommitment: "abc=",
    tenant: "acme" as never,
    principals: ["agent/a", "person/b"] as never,
    pin: "p".repeat(64),
    run: "run_1" as never,
    step: "s1",
    partition: "f".repeat(64) as Sha256Hex,
  });

  it("are SHA-256 over RFC 8785 of what they name", () => {
    fc.assert(
      fc.property(words, words, words, words, wordOrNull, fc.array(words), (a, b, c, d, e, principals) => {
        const step = { method: a, serverId: b, name: c, argumentsCommitment: d };
        expect(stepDigest(step)).toBe(canonicalDigest({ v: 1, ...step }));
        const intent = { ...identity(), ...step, step: e, pin: e, principals: principals as never };
        expect(intentDigest(intent)).toBe(canonicalDigest({ v: 1, ...intent }));
      }),
    );
  });

  it("never change: these are the digests of version 1", () => {
    expect([stepDigest(identity()), intentDigest(identity())]).toMatchInlineSnapshot(`
      [
        "23cd524014c1b07604385de3482710cdf1d7de8e18e30bfdc639b25ba43eaae0",
        "50d82bd2e32bc2d53990e90a5f1fcbe67c365f25e1551a562886f2174fb7afd1",
      ]
    `);
  });

  it("part where they should: policy and pin move the intent, never the step", () => {
    const other = { ...identity(), pin: "q".repeat(64), partition: "0".repeat(64) as Sha256Hex };
    expect(stepDigest(other)).toBe(stepDigest(identity()));
    expect(intentDigest(other)).not.toBe(intentDigest(identity()));
  });
});
