import { describe, expect, test } from "vitest";
import { callParams } from "./call-params.ts";

const long = "x".repeat(5_000);

describe("parameters of a governed request", () => {
  test("name what is called, read, got or completed", () => {
    expect(callParams("tools/call", { name: "a__b" })).toMatchObject({
      ok: true,
      value: { name: "a__b", arguments: {} },
    });
    expect(callParams("prompts/get", { name: "a__b", arguments: { x: "1" } })).toMatchObject({
      ok: true,
      value: { name: "a__b", arguments: { x: "1" } },
    });
    expect(callParams("resources/read", { uri: "file:///a b", arguments: { x: 1 } })).toMatchObject({
      ok: true,
      value: { name: "file:///a b", arguments: {} },
    });
    const uri = "skill://a/SKILL.md";
    expect(callParams("skills/get", { uri, cursor: 1 })).toEqual({
      ok: true,
      value: { name: uri, arguments: {} },
    });
    expect(callParams("resources/directory/read", { uri: "skill://a", cursor: "2" })).toEqual({
      ok: true,
      value: { name: "skill://a", arguments: { cursor: "2" } },
    });
    const argument = { name: "path", value: "sr" };
    expect(callParams("completion/complete", { ref: { type: "ref/prompt", name: "p" }, argument })).toEqual({
      ok: true,
      value: { name: "p", arguments: { argument } },
    });
    const context = { arguments: { a: "b" } };
    expect(
      callParams("completion/complete", {
        ref: { type: "ref/resource", uri: "file:///{path}" },
        argument,
        context,
      }),
    ).toEqual({ ok: true, value: { name: "file:///{path}", arguments: { argument, context } } });
  });

  test.each([
    ["tools/call", {}],
    ["tools/call", { name: 1 }],
    ["tools/call", { name: long }],
    ["tools/call", { name: "a", arguments: [] }],
    ["prompts/get", { name: "a", arguments: "x" }],
    ["resources/read", {}],
    ["resources/read", { uri: ["file:///a"] }],
    ["resources/read", { uri: long }],
    ["skills/get", {}],
    ["skills/get", { uri: long }],
    ["resources/directory/read", { cursor: "2" }],
    ["resources/directory/read", { uri: "skill://a", cursor: 2 }],
    ["resources/directory/read", { uri: "skill://a", cursor: long }],
    ["completion/complete", {}],
    ["completion/complete", { ref: { type: "ref/tool", name: "a" }, argument: { name: "a", value: "" } }],
    ["completion/complete", { ref: { type: "ref/prompt", uri: "a" }, argument: { name: "a", value: "" } }],
    ["completion/complete", { ref: { type: "ref/resource", uri: long }, argument: { name: "a", value: "" } }],
    ["completion/complete", { ref: { type: "ref/prompt", name: "a" }, argument: { name: "a", value: 1 } }],
    ["completion/complete", { ref: { type: "ref/prompt", name: "a" }, argument: "a" }],
    [
      "completion/complete",
      { ref: { type: "ref/prompt", name: "a" }, argument: { name: "a", value: "" }, context: [] },
    ],
  ] as const)("of %s in another form are refused (%#)", (method, params) => {
    const found = callParams(method, params);
    expect(found).toMatchObject({ ok: false, refusal: { code: "invalid-params" } });
  });
});
