import { Server } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toolResultText, withoutCaching, withoutResultType } from "./project-result.ts";

const sdk = new Server({ name: "oracle", version: "1" }, { capabilities: {} });

describe("a tool result of the older era", () => {
  test("is what the official SDK makes of it", () => {
    const block = fc.record({ type: fc.constantFrom("text", "image"), text: fc.string() });
    const result = fc.record(
      {
        content: fc.array(block, { maxLength: 3 }),
        structuredContent: fc.jsonValue(),
        extra: fc.jsonValue(),
      },
      { requiredKeys: ["content"] },
    );
    fc.assert(
      fc.property(result, fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const plain = JSON.parse(text) as Parameters<Server["projectCallToolResult"]>[0];
        expect(JSON.parse(toolResultText(text))).toEqual(
          JSON.parse(JSON.stringify(sdk.projectCallToolResult(plain, undefined))),
        );
      }),
    );
  });

  test("is handed on byte for byte when nothing has to change", () => {
    const text = '{ "content": [],\n "structuredContent" : {"a": [1]}, "_meta": {"x": "resultType"} }';
    expect(toolResultText(text)).toBe(text);
  });
});

describe("what says how long an answer may be kept", () => {
  test.each([
    ['{"contents":[],"ttlMs":5,"cacheScope":"public","resultType":"complete"}', '{"contents":[]}'],
    ['{"cacheScope":"public" , "contents":[{"ttlMs":1}]}', '{"contents":[{"ttlMs":1}]}'],
    ['{ "contents": [],\n "_meta": {"ttlMs": 1} }', '{ "contents": [],\n "_meta": {"ttlMs": 1} }'],
  ])("is taken out of %s", (text, expected) => {
    expect(withoutCaching(text)).toBe(expected);
  });
});

describe("resultType", () => {
  test.each([
    ['{"resultType":"complete","a":1}', '{"a":1}'],
    ['{"a":1,"resultType":"complete"}', '{"a":1}'],
    ['{"a":1, "resultType" : "complete" ,"b":2}', '{"a":1,"b":2}'],
    ['{"resultType":"resultType"}', "{}"],
    ['{"\\u0072esultType":"complete","a":1}', '{"a":1}'],
    ['{"a":{"resultType":"complete"}}', '{"a":{"resultType":"complete"}}'],
    ['{"a":"\\"resultType\\":1"}', '{"a":"\\"resultType\\":1"}'],
  ])("is taken out of %s", (text, expected) => {
    expect(withoutResultType(text)).toBe(expected);
  });

  test("is gone from any object, and nothing else is", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, indent) => {
        const { resultType: _, ...rest } = object;
        const text = JSON.stringify({ ...rest, resultType: "complete" }, null, indent);
        expect(JSON.parse(withoutResultType(text))).toEqual(JSON.parse(JSON.stringify(rest)));
      }),
    );
  });
});
