import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { withReceipt, withheldText } from "./result-text.ts";

const receipt = { entry: "call_1:1", leaf: "AAAA" };

describe("adding the receipt", () => {
  test.each([
    ["an empty result", "{}"],
    ["an empty result with space", "{ }"],
    ["a result without _meta", '{"content":[]}'],
    ["a result with an empty _meta", '{"_meta":{},"content":[]}'],
    ["a result with _meta at the end", '{"content":[] , "_meta" : {"a":{"_meta":1}} }'],
    ["a result with _meta inside a text", '{"content":[{"type":"text","text":"\\"_meta\\":{}"}]}'],
  ])("to %s keeps everything else", (_name, text) => {
    const before = JSON.parse(text) as Record<string, unknown>;
    const after = JSON.parse(withReceipt(text, receipt)) as Record<string, unknown>;
    expect(after).toEqual({
      ...before,
      _meta: { ...(before["_meta"] as object | undefined), [metaKeys.receipt]: receipt },
    });
  });

  test("changes no byte of the rest, for any result", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
        (rest, meta) => {
          delete rest["_meta"];
          const text = JSON.stringify(meta === null ? rest : { a: 1, _meta: meta, ...rest });
          const member = `"${metaKeys.receipt}":${JSON.stringify(receipt)}`;
          const added = withReceipt(text, receipt);
          const isMetaEmpty =
            meta !== null && Object.keys(JSON.parse(JSON.stringify(meta)) as object).length === 0;
          const isEmpty = text === "{}";
          const inserted =
            meta === null ? `${isEmpty ? "" : ","}"_meta":{${member}}` : `${isMetaEmpty ? "" : ","}${member}`;
          expect(added).toContain(inserted);
          const at = added.lastIndexOf(inserted);
          expect(added.slice(0, at) + added.slice(at + inserted.length)).toBe(text);
        },
      ),
    );
  });
});

test("a withheld result is a tool error that names its code", () => {
  expect(JSON.parse(withheldText("result-invalid", "x is missing"))).toMatchObject({
    isError: true,
    _meta: { [metaKeys.refusal]: { code: "result-invalid", effect: "done" } },
  });
});
