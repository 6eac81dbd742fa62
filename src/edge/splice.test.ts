import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resultBody, withMembers, withPrivateCaching, withResultType } from "./splice.ts";

describe("splicing", () => {
  test("a result leaves byte for byte, with its type in front when it had none", () => {
    const text = '{ "content" : [ ],\n "x":1.0e1 }';
    expect(withResultType(text)).toBe('{"resultType":"complete", "content" : [ ],\n "x":1.0e1 }');
    for (const typed of [
      '{"a":1,"resultType":"task"}',
      '{"resultType":"task","a":1,"resultType":"complete"}',
    ])
      expect(withResultType(typed)).toBe(typed);
    expect(withResultType(" {} ")).toBe('{"resultType":"complete"} ');
    expect(withResultType("{\n}")).toBe('{"resultType":"complete"\n}');
  });

  test("a type that is only mentioned deeper, or in a string, is not the result's", () => {
    for (const text of ['{"a":{"resultType":"x"}}', '{"a":"\\"resultType\\":"}', '{"a":"resultType"}']) {
      expect((JSON.parse(withResultType(text)) as { resultType: string }).resultType).toBe("complete");
    }
  });

  test("a name spelt with escapes is the same name", () => {
    const text = '{"result\\u0054ype":"input_required"}';
    expect(withResultType(text)).toBe(text);
  });

  test("a resource says how long it may be kept as its server says, and only by its reader", () => {
    const cached = (text: string) => JSON.parse(withPrivateCaching(text)) as Record<string, unknown>;
    expect(cached('{"contents":[]}')).toEqual({ contents: [], ttlMs: 0, cacheScope: "private" });
    expect(cached('{"contents":[],"ttlMs":5}')).toMatchObject({ ttlMs: 5, cacheScope: "private" });
    for (const scope of ['"cacheScope":"public"', '"cache\\u0053cope" : "public"', '"cacheScope":{"a":[1]}'])
      expect(cached(`{${scope},"contents":["cacheScope"],"ttlMs":7}`)).toEqual({
        contents: ["cacheScope"],
        ttlMs: 7,
        cacheScope: "private",
      });
    const own = '{ "cacheScope" : "private", "ttlMs":1 }';
    expect(withPrivateCaching(own)).toBe(own);
  });

  test("ids come back as they came", () => {
    for (const id of [0, -7, 9007199254740991, "", 'a"b\\\n', "\u2028", null]) {
      expect((JSON.parse(resultBody(id, "{}")) as { id: unknown }).id).toBe(id);
    }
  });

  test("whatever the object, its members stay and the new ones are added", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(4), (object, indent) => {
        const own = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
        delete own["resultType"];
        const text = JSON.stringify(own, null, indent);
        expect(JSON.parse(withResultType(text))).toEqual({ ...own, resultType: "complete" });
        if (!("new" in own)) expect(JSON.parse(withMembers(text, '"new":[]'))).toEqual({ ...own, new: [] });
      }),
    );
  });
});
