import { describe, expect, test } from "vitest";
import type { Pin } from "../registry/index.ts";
import { Validators, compileSchema } from "./validators.ts";

let pins = 0;
const check = (schema: Record<string, unknown>, value: unknown): string | null => {
  const validator = new Validators().of(`pin${pins++}` as Pin, "input", schema);
  if (typeof validator === "string") throw new Error(validator);
  return validator(value);
};

const schema = {
  type: "object",
  properties: {
    path: { type: "string", minLength: 1 },
    amount: { type: "integer", maximum: 10 },
    mode: { enum: ["a", "b"] },
    nested: { type: "object", properties: { x: { type: "number" } }, required: ["x"] },
  },
  required: ["path"],
  additionalProperties: false,
};

describe("argument validation", () => {
  test.each([
    [{}, 'argument "path" is missing'],
    [{ path: 1 }, 'argument "path" must be string'],
    [{ path: "p", amount: 11 }, 'argument "amount" must be <= 10'],
    [{ path: "p", amount: 1.5 }, 'argument "amount" must be integer'],
    [{ path: "p", mode: "c" }, 'argument "mode" must be one of ["a","b"]'],
    [{ path: "p", extra: 1 }, 'argument "extra" is not known'],
    [{ path: "p", nested: {} }, 'argument "nested.x" is missing'],
    [[], "the arguments must be object"],
  ])("names what is wrong with %j", (value, expected) => {
    expect(check(schema, value)).toBe(expected);
  });

  test("accepts what fits", () => {
    expect(check(schema, { path: "p", amount: 10, mode: "a", nested: { x: 0.5 } })).toBeNull();
  });

  test("understands draft-07 where the schema says so, and 2020-12 otherwise", () => {
    const tuple = { type: "array", items: [{ type: "string" }] };
    expect(check({ $schema: "http://json-schema.org/draft-07/schema#", ...tuple }, [1])).toMatch(
      /must be string/,
    );
    expect(check({ type: "array", prefixItems: [{ type: "string" }] }, [1])).toMatch(/must be string/);
  });

  test("never fetches a reference: the schema cannot be used", () => {
    const validator = new Validators().of("p" as Pin, "input", { $ref: "https://example.org/schema.json" });
    expect(validator).toMatch(/can't resolve reference/);
  });

  test("follows references inside the document", () => {
    expect(
      check({ $defs: { n: { type: "number" } }, properties: { x: { $ref: "#/$defs/n" } } }, { x: "1" }),
    ).toMatch(/"x" must be number/);
  });

  test("runs a catastrophic pattern in linear time", () => {
    const evil = { type: "object", properties: { s: { type: "string", pattern: "^(a+)+$" } } };
    expect(check(evil, { s: `${"a".repeat(5_000)}!` })).toMatch(/must match pattern/);
  });

  test("leaves a pattern that RE2 cannot express to the server", () => {
    const lookahead = { type: "object", properties: { s: { type: "string", pattern: "^(?=a)b$" } } };
    expect(check(lookahead, { s: "anything" })).toBeNull();
  });

  test("survives a recursive schema on deep input", () => {
    const recursive = {
      $ref: "#/$defs/t",
      $defs: { t: { type: "object", properties: { c: { $ref: "#/$defs/t" } } } },
    };
    let value: unknown = {};
    for (let i = 0; i < 20_000; i++) value = { c: value };
    expect(check(recursive, value)).toMatch(/too deeply|^$/);
  });

  test("follows a reference to the whole document", () => {
    const tree = { type: "object", properties: { child: { $ref: "#" } }, additionalProperties: false };
    expect(check(tree, { child: { child: {} } })).toBeNull();
    expect(check(tree, { child: { chld: {} } })).toBe('argument "child.chld" is not known');
  });
});

const nested = (levels: number): unknown => {
  let value: unknown = {};
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
};

describe("a schema of a stranger takes no time from others", () => {
  const twice = {
    $ref: "#/$defs/n",
    $defs: {
      n: {
        allOf: [{ properties: { a: { $ref: "#/$defs/n" } } }, { properties: { a: { $ref: "#/$defs/n" } } }],
      },
    },
  };

  test("when it looks at each level of a value twice", () => {
    const validator = compileSchema(twice, "argument");
    if (typeof validator === "string") throw new Error(validator);
    expect(validator(nested(60))).toMatch(/cannot be checked in time/);
    expect(validator(nested(8))).toBeNull();
  });

  test("and is not tried again with as much as took too long", () => {
    const validator = compileSchema(twice, "argument");
    if (typeof validator === "string") throw new Error(validator);
    validator(nested(60));
    // Two hundred tries would take longer than a test may.
    for (let i = 0; i < 200; i++) expect(validator(nested(61))).toMatch(/cannot be checked in time/);
  });

  test("when it compares each item with each other", () => {
    const unique = { type: "object", properties: { list: { type: "array", uniqueItems: true } } };
    const validator = compileSchema(unique, "argument");
    if (typeof validator === "string") throw new Error(validator);
    const lists = (length: number) => ({ list: Array.from({ length }, (_, i) => [i]) });
    expect(validator(lists(100_000))).toMatch(/cannot be checked in time/);
    expect(validator(lists(100))).toBeNull();
    expect(validator({ list: [[1], [1]] })).toMatch(/"list" must NOT have duplicate items/);
  });

  test("when a pattern of it is written out to a million parts", () => {
    const before = process.memoryUsage().rss;
    const huge = { type: "object", properties: { s: { type: "string", pattern: "a{1000}".repeat(1_000) } } };
    expect(check(huge, { s: "anything" })).toBeNull(); // that is for its server to say
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, i) => [`s${i}`, { pattern: `${i}a{900}` }]),
    );
    expect(check({ type: "object", properties: many }, { s0: "anything" })).toMatch(/must match pattern/);
    expect(process.memoryUsage().rss - before).toBeLessThan(500 * 1024 * 1024);
  });

  test("when many parts of it refer to a large one", () => {
    const members = (length: number, of: unknown) =>
      Object.fromEntries(Array.from({ length }, (_, i) => [`m${i}`, of]));
    const wide = {
      type: "object",
      properties: members(500, { $ref: "#/$defs/large" }),
      $defs: { large: { type: "object", properties: members(500, { type: "string" }) } },
    };
    expect(check(wide, { m7: { m8: 1 } })).toBe('argument "m7.m8" must be string');
  });
});
