import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { descriptionBytesMax, parseDefinition, schemaBytesMax } from "./parse-definition.ts";
import { pinOf } from "./pin.ts";
import type { ToolDefinition } from "./records.ts";
import { definition } from "./rig.suite.ts";

const reasonOf = (said: unknown): string => {
  const parsed = parseDefinition(said);
  return parsed.ok ? "accepted" : parsed.refused.reason;
};
const parsed = (said: unknown): ToolDefinition => {
  const result = parseDefinition(said);
  if (!result.ok) throw new Error(result.refused.reason);
  return result.definition;
};
const nested = (depth: number): unknown => {
  let value: unknown = {};
  for (let i = 0; i < depth; i++) value = { not: value };
  return value;
};

describe("a tool's definition", () => {
  test("is copied, frozen, and keeps what else the server said", () => {
    const said = definition("read", { icons: [{ src: "x" }], _meta: { a: 1 } });
    const result = parsed(said);
    (said["inputSchema"] as Record<string, unknown>)["type"] = "array";
    expect(result.inputSchema["type"]).toBe("object");
    expect(Object.isFrozen(result.inputSchema["properties"])).toBe(true);
    expect(result.rest).toEqual({ icons: [{ src: "x" }], _meta: { a: 1 } });
  });

  test("may say null for what it does not have", () => {
    const result = parsed(definition("read", { title: null, outputSchema: null, annotations: null }));
    expect(Object.keys(result).sort()).toEqual(["description", "inputSchema", "name", "rest"]);
  });

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a list", []],
    ["text", "read"],
    ["no name", { inputSchema: {} }],
    ["an empty name", definition("")],
    ["a name of 129 characters", definition("x".repeat(129))],
    ["a name that is a number", definition(7 as unknown as string)],
    ["a name with a line break", definition("read\nfile")],
    ["a name that turns around", definition("read\u202efile")],
    ["a name with a lone surrogate", definition("read\ud800")],
    ["a name with a blank at its end", definition("read ")],
    ["no input schema", { name: "read" }],
    ["an input schema that is true", definition("read", { inputSchema: true })],
    ["an input schema of another type", definition("read", { inputSchema: { type: "string" } })],
    ["an output schema that is a list", definition("read", { outputSchema: [] })],
    ["a description that is an object", definition("read", { description: {} })],
    ["a lone surrogate in the description", definition("read", { description: "\udc00" })],
    ["__proto__ in the schema", JSON.parse('{"name":"read","inputSchema":{"properties":{"__proto__":{}}}}')],
    ["an unsafe integer", definition("read", { inputSchema: { maximum: 2 ** 53 } })],
    ["NaN", definition("read", { inputSchema: { maximum: Number.NaN } })],
    ["a function", definition("read", { inputSchema: { toJSON: () => ({}) } })],
    ["a date", definition("read", { inputSchema: { default: new Date(0) } })],
    ["a bigint", definition("read", { annotations: { a: 1n } })],
    ["65 levels", definition("read", { inputSchema: nested(65) })],
    ["100,000 levels", definition("read", { inputSchema: nested(100_000) })],
    [
      "100,000 values",
      definition("read", { inputSchema: { enum: Array.from({ length: 100_000 }, () => 1) } }),
    ],
  ])("with %s is refused, not thrown", (_, said) => {
    expect(reasonOf(said)).not.toBe("accepted");
  });

  test("with a cycle is refused", () => {
    const schema: Record<string, unknown> = { type: "object" };
    schema["not"] = schema;
    expect(reasonOf(definition("read", { inputSchema: schema }))).toContain("nested deeper");
  });

  test("is refused with the size and the bound when something is too large", () => {
    const long = "é".repeat(descriptionBytesMax / 2);
    expect(reasonOf(definition("read", { description: long }))).toBe("accepted");
    expect(reasonOf(definition("read", { description: `${long}!` }))).toBe(
      "description is 65537 bytes; 65536 are allowed",
    );
    const schema = (bytes: number) => ({ type: "object", $comment: "x".repeat(bytes - 31) });
    expect(Buffer.byteLength(JSON.stringify(schema(schemaBytesMax)))).toBe(schemaBytesMax);
    expect(reasonOf(definition("read", { inputSchema: schema(schemaBytesMax) }))).toBe("accepted");
    expect(reasonOf(definition("read", { outputSchema: schema(schemaBytesMax + 1) }))).toBe(
      "outputSchema is 262145 bytes; 262144 are allowed",
    );
  });

  test("never throws, whatever JSON a server sends", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (a, b, name) => {
        parseDefinition(a);
        parseDefinition({ name, inputSchema: a, annotations: b, extra: a });
        parseDefinition({ name, inputSchema: { type: "object", properties: a }, description: b });
      }),
    );
  });
});

describe("the pin", () => {
  const base = definition("read", {
    title: "Read",
    outputSchema: { type: "object" },
    annotations: { readOnlyHint: true },
  });

  test("does not depend on the order of keys nor on decoration", () => {
    const turned = Object.fromEntries(Object.entries(base).reverse());
    expect(pinOf(parsed(turned))).toBe(pinOf(parsed(base)));
    expect(pinOf(parsed({ ...base, icons: [], _meta: {} }))).toBe(pinOf(parsed(base)));
  });

  test.each<[string, Record<string, unknown>]>([
    ["name", { name: "read2" }],
    ["title", { title: "Read!" }],
    ["description", { description: "Does read. " }],
    ["inputSchema", { inputSchema: { type: "object" } }],
    ["outputSchema", { outputSchema: { type: "object", additionalProperties: true } }],
    ["outputSchema gone", { outputSchema: undefined }],
    ["annotations", { annotations: { readOnlyHint: false } }],
  ])("is another one when %s changes", (_, change) => {
    expect(pinOf(parsed({ ...base, ...change }))).not.toBe(pinOf(parsed(base)));
  });

  test("does not take an absent field for an empty one", () => {
    expect(pinOf(parsed(definition("a", { description: "" })))).not.toBe(
      pinOf(parsed(definition("a", { description: null }))),
    );
  });
});
