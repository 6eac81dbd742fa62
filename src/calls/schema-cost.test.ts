import { expect, test } from "vitest";
import { schemaCost, weightOf } from "./schema-cost.ts";

test("references count with what they lead to, each time", () => {
  const leaf = { type: "string" };
  const few = schemaCost({ properties: { a: { $ref: "#/$defs/l" } }, $defs: { l: leaf } }).perValue;
  const more = schemaCost({
    properties: { a: { $ref: "#/$defs/l" }, b: { $ref: "#/$defs/l" } },
    $defs: { l: leaf },
  }).perValue;
  expect(more).toBeGreaterThan(few);
  expect(more).toBeLessThan(100);
});

test("parts that refer to two of the next are as many as they unfold to", () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [
      `d${i}`,
      { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
    ]),
  );
  expect(schemaCost({ $ref: "#/$defs/d0", $defs: { ...$defs, d40: {} } }).perValue).toBeGreaterThan(2 ** 40);
});

test.each([
  { properties: { a: { $ref: "#" } } },
  { $ref: "#/$defs/a", $defs: { a: { items: { $ref: "#/$defs/b" } }, b: { items: { $ref: "#/$defs/a" } } } },
  { properties: { a: { $ref: "#named" }, b: { $anchor: "named" } } },
  { properties: { a: { $dynamicRef: "#meta" } } },
  { properties: { a: { $id: "https://example.org/a", items: { $ref: "#/x" }, x: {} } } },
])("what leads back to itself, or nobody knows where, has no end: %j", (schema) => {
  expect(schemaCost(schema).perValue).toBe(Infinity);
});

test("members that are only called like keywords are members", () => {
  const named = { properties: { $ref: { type: "string" }, $id: {}, uniqueItems: {}, pattern: {} } };
  expect(schemaCost(named)).toEqual({ perValue: expect.any(Number), isQuadratic: false });
  expect(schemaCost(named).perValue).toBeLessThan(200);
});

test("items that are held against each other are told", () => {
  expect(schemaCost({ properties: { a: { items: {}, uniqueItems: true } } }).isQuadratic).toBe(true);
});

test("a value weighs its values and characters, up to a bound", () => {
  expect(weightOf({ ab: ["c", 1, null] }, 1_000)).toBe(2 + 1 + 1 + 1 + 1 + 1 + 1);
  expect(weightOf("x".repeat(1_000), 10)).toBeGreaterThanOrEqual(10);
});
