import { describe, expect, test } from "vitest";
import { roundOf } from "./round.ts";

describe("another round of a call", () => {
  test("is none when neither answers nor a state came", () => {
    expect(roundOf({ name: "a", arguments: {} })).toEqual({ ok: true, value: null });
  });

  test("brings answers, a state, or both, as they came", () => {
    const inputResponses = { who: { action: "accept" }, "not asked": {} };
    expect(roundOf({ inputResponses })).toEqual({ ok: true, value: { inputResponses, requestState: null } });
    expect(roundOf({ requestState: "s" })).toEqual({
      ok: true,
      value: { inputResponses: {}, requestState: "s" },
    });
    expect(roundOf({ inputResponses, requestState: "" })).toEqual({
      ok: true,
      value: { inputResponses, requestState: "" },
    });
  });

  test.each([
    ["answers that are no object", { inputResponses: [] }],
    ["answers that are null", { inputResponses: null }],
    ["an answer that is no object", { inputResponses: { who: "me" } }],
    ["an answer that is null", { inputResponses: { who: null } }],
    ["65 answers", { inputResponses: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [i, {}])) }],
    ["a key of 300 characters", { inputResponses: { ["k".repeat(300)]: {} } }],
    ["a state that is no text", { requestState: { a: 1 } }],
    ["a state that is null", { requestState: null }],
    ["a state of a megabyte", { requestState: "s".repeat(1024 * 1024) }],
  ])("with %s is refused", (_, params) => {
    expect(roundOf(params)).toMatchObject({ ok: false, refusal: { code: "invalid-params" } });
  });
});
