import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ModernMessage } from "../classify.ts";
import { decodeHeaderValue, headerProblem } from "./headers.ts";
import { paramHeaderProblem, paramHeadersOf } from "./param-headers.ts";

const message = (over: Partial<ModernMessage> = {}): ModernMessage => ({
  kind: "modern",
  id: 1,
  method: "tools/call",
  params: { name: "echo" },
  meta: {},
  version: "2026-07-28",
  ...over,
});
const sound = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo" };
const encoded = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`;

describe("standard headers", () => {
  test("that agree with the body pass, also encoded", () => {
    expect(headerProblem(message(), sound)).toBeNull();
    expect(headerProblem(message(), { ...sound, "mcp-name": encoded("echo") })).toBeNull();
    const umlaut = message({ params: { name: "größe" } });
    expect(headerProblem(umlaut, { ...sound, "mcp-name": encoded("größe") })).toBeNull();
  });

  test.each(["mcp-protocol-version", "mcp-method", "mcp-name"])(
    "without %s are refused with -32020",
    (name) => {
      const headers: Record<string, string> = { ...sound };
      delete headers[name];
      expect(headerProblem(message(), headers)).toMatchObject({ refusal: { code: "header-mismatch" } });
    },
  );

  test.each([
    "other",
    "Echo",
    "echo, echo",
    encoded("other"),
    "=?base64?ZWNobw?=",
    "=?base64?!!!?=",
    "=?base64?/w==?=",
    "ech\u00f6",
  ])("with the name %j are refused with -32020", (name) => {
    expect(headerProblem(message(), { ...sound, "mcp-name": name })).toMatchObject({
      refusal: { code: "header-mismatch" },
    });
  });

  test("of a version we do not speak are answered with those we do, before anything else is looked at", () => {
    expect(headerProblem(message({ version: "2031-01-01" }), {})).toMatchObject({
      refusal: { code: "unsupported-version" },
      data: { supported: ["2026-07-28"], requested: "2031-01-01" },
    });
  });

  test("are not asked of notifications, and a name not of methods that have none", () => {
    expect(headerProblem(message({ id: null, method: "notifications/x" }), {})).toBeNull();
    expect(headerProblem(message({ method: "tools/list" }), { ...sound, "mcp-name": "whatever" })).toBeNull();
  });

  test("a value that was encoded decodes to itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(decodeHeaderValue(encoded(text))).toBe(text);
      }),
    );
  });
});

describe("Mcp-Param headers", () => {
  const schema = {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      limits: { type: "object", properties: { count: { type: "integer", "x-mcp-header": "Count" } } },
      dry: { type: "boolean", "x-mcp-header": "Dry-Run" },
      list: { type: "array", items: { type: "string" } },
    },
  };
  const declared = paramHeadersOf(schema);

  test("are read from the pinned schema", () => {
    expect(declared.map((each) => [each.header, each.path.join(".")])).toEqual([
      ["mcp-param-region", "region"],
      ["mcp-param-count", "limits.count"],
      ["mcp-param-dry-run", "dry"],
    ]);
  });

  test.each([
    ["a number", { properties: { a: { type: "number", "x-mcp-header": "A" } } }],
    ["no type", { properties: { a: { "x-mcp-header": "A" } } }],
    ["an empty name", { properties: { a: { type: "string", "x-mcp-header": "" } } }],
    ["a line break", { properties: { a: { type: "string", "x-mcp-header": "A\r\nB: c" } } }],
    [
      "the same name twice",
      {
        properties: {
          a: { type: "string", "x-mcp-header": "A" },
          b: { type: "string", "x-mcp-header": "a" },
        },
      },
    ],
    ["the root", { type: "string", "x-mcp-header": "A" }],
  ])("an annotation on %s takes them all away", (_, broken) => expect(paramHeadersOf(broken)).toEqual([]));

  test("agree, or are not expected, and everything else is refused with -32020", () => {
    const args = { region: "us-west1", limits: { count: 42 }, dry: true };
    const headers = {
      "mcp-param-region": "us-west1",
      "mcp-param-count": "42.0",
      "mcp-param-dry-run": "true",
    };
    expect(paramHeaderProblem(declared, args, headers)).toBeNull();
    expect(paramHeaderProblem(declared, {}, { "mcp-param-region": "stray" })).toBeNull();
    expect(paramHeaderProblem(declared, { region: null }, {})).toBeNull();
    expect(
      paramHeaderProblem(declared, { region: "grün" }, { "mcp-param-region": encoded("grün") }),
    ).toBeNull();
    for (const wrong of [
      { ...headers, "mcp-param-region": "us-west2" },
      { ...headers, "mcp-param-region": "=?base64?***?=" },
      { ...headers, "mcp-param-count": "43" },
      { ...headers, "mcp-param-count": "0x2a" },
      { ...headers, "mcp-param-dry-run": "True" },
      { "mcp-param-region": "us-west1" },
    ]) {
      expect(paramHeaderProblem(declared, args, wrong)).toMatchObject({
        refusal: { code: "header-mismatch" },
      });
    }
  });

  test("do not reach into prototypes", () => {
    const sly = [{ header: "mcp-param-x", path: ["constructor", "name"], type: "string" as const }];
    expect(paramHeaderProblem(sly, {}, {})).toBeNull();
  });
});
