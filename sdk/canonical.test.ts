import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { canonicalJson as ofTheNode } from "../src/base/index.ts";
import { canonicalJson, digestOf } from "./canonical.ts";

test("the canonical text is the one that the node would write, for any JSON", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(value) === ofTheNode(value)));
});

test("two spellings of one value have one digest, and what JSON leaves out does not count", async () => {
  const digest = await digestOf({ b: [1, { y: 2, x: "é" }], a: null });
  expect(digest).toBe(await digestOf({ a: null, b: [1.0, { x: "é", y: 2, z: undefined }] }));
  expect(digest).toBe(createHash("sha256").update('{"a":null,"b":[1,{"x":"é","y":2}]}').digest("hex"));
  expect(await digestOf(undefined)).toBe(await digestOf(null));
});

test("a runtime that is not Node makes the same digests", async () => {
  const value = { text: "é\ud800", list: [1, 2] };
  const here = await digestOf(value);
  const asked = vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
  try {
    expect(await digestOf(value)).toBe(here);
    expect(asked).toHaveBeenCalledOnce();
  } finally {
    asked.mockRestore();
  }
});
