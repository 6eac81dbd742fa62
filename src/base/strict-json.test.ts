import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseStrictBytes, parseStrictJson } from "./strict-json.ts";

const refusalOf = (text: string) => {
  const result = parseStrictJson(text);
  return result.ok ? null : result.refusal;
};

const keys = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":${n}`).join(",");

describe("strict JSON", () => {
  test.each([
    ["duplicate keys", '{"a":1,"a":2}', /"a" stands twice/],
    ["duplicate keys behind escapes", '{"a":1,"\\u0061":2}', /"a" stands twice/],
    ["duplicate keys deep inside", '{"x":[{"b":1,"c":{"d":1,"d":1}}]}', /"d" stands twice/],
    ["a duplicate among many keys", `{${keys(100)},"k17":0}`, /"k17" stands twice/],
    ["a duplicate at the border to many keys", `{${keys(17)},"k0":0}`, /"k0" stands twice/],
    ["a duplicate behind a value with escapes", '{"a":"x\\\\","b":"\\"\\\\\\"","a":0}', /"a" stands twice/],
    ["__proto__", '{"__proto__":{"admin":true}}', /__proto__/],
    ["__proto__ behind escapes", '{"\\u005f_proto__":1}', /__proto__/],
    ["an unsafe integer", '{"a":9007199254740993}', /beyond 2\^53-1/],
    ["an unsafe negative integer", '{"a":-9007199254740993}', /beyond 2\^53-1/],
    ["an unsafe integer written with an exponent", '{"a":1e20}', /beyond 2\^53-1/],
    ["an unsafe integer written with a fraction", '{"a":9007199254740993.0}', /beyond 2\^53-1/],
    ["a number that overflows", '{"a":1e999}', /too large/],
    ["a lone surrogate in a value", '{"a":"\\ud800"}', /lone surrogate/],
    ["a lone surrogate in a key", '{"\\udc00x":1}', /lone surrogate/],
    ["a raw lone surrogate", '{"a":"\ud800"}', /lone surrogate/],
    ["nesting", "[".repeat(100_000), /nested deeper than 64/],
    ["nesting of objects", '{"a":'.repeat(100_000), /nested deeper than 64/],
    ["too many values", `[${"1,".repeat(100_001)}1]`, /more than 100000 values/],
    ["broken syntax", '{"a":}', /not valid JSON/],
    ["an unfinished string", '{"a":"b', /not valid JSON/],
    ["nothing", "", /not valid JSON/],
    ["two values", "{}{}", /not valid JSON/],
  ])("refuses %s", (_name, text, expected) => {
    const refusal = refusalOf(text);
    expect(refusal?.code).toBe("malformed-json");
    expect(refusal?.detail).toMatch(expected);
  });

  test.each([
    ["the same key in different objects", '[{"a":1},{"a":2}]'],
    ["many keys", `{${keys(100)}}`],
    ["a value that looks like a key", '{"a":"a","b":["a","a"]}'],
    ["the largest safe integer", "9007199254740991"],
    ["a long fraction", "0.12345678901234567890"],
    ["a small exponent", "1.5e-300"],
    ["surrogate pairs", '"\\ud83d\\ude00 😀"'],
    ["quotes and backslashes", '{"a\\"b\\\\":"\\\\\\""}'],
  ])("accepts %s", (_name, text) => {
    const result = parseStrictJson(text);
    expect(result).toEqual({ ok: true, value: JSON.parse(text) });
  });

  test("refuses invalid UTF-8", () => {
    expect(parseStrictBytes(Uint8Array.of(34, 0xed, 0xa0, 0x80, 34)).ok).toBe(false);
  });

  test("whatever JSON.stringify writes of safe values comes back the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        const unsafe = /"__proto__"/.test(text) || hasUnsafeInteger(JSON.parse(text));
        const result = parseStrictJson(text);
        if (unsafe || !text.isWellFormed() || /\\ud[89a-f]/.test(text)) return;
        expect(result).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  test("never accepts what JSON.parse refuses, and never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0a19e.-') }), (text) => {
        const result = parseStrictJson(text);
        if (result.ok) expect(result.value).toEqual(JSON.parse(text));
      }),
      { numRuns: 2000 },
    );
  });
});

function hasUnsafeInteger(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (Array.isArray(value)) return value.some(hasUnsafeInteger);
  return value !== null && typeof value === "object" && Object.values(value).some(hasUnsafeInteger);
}
