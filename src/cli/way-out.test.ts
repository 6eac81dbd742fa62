import { expect, test } from "vitest";
import { classFrom } from "./commands/server-options.ts";
import { resolvedText, wayText } from "./commands/way-out.ts";

test("what will settle a call says who, and what is being tried", () => {
  const trying = (tries: number, nextInMs: number | null) => ({ tries, last: "no", nextInMs });
  expect(wayText({ way: "person", trying: null })).toBe("a person");
  expect(wayText({ way: "sent-again", trying: null })).toContain("when its caller comes back");
  expect(wayText({ way: "verify-tool", trying: null })).toContain("about to be asked");
  expect(wayText({ way: "verify-tool", trying: trying(1, 4_100) })).toContain(
    "1 try so far, the next in 5 s",
  );
  expect(wayText({ way: "verify-tool", trying: trying(12, null) })).toContain("12 tries so far");
  expect(wayText({ way: null, trying: null })).toBe("");
});

test("what has settled it names the call that did", () => {
  expect(resolvedText({ by: "person", entry: "e", call: null })).toBe("by a person");
  expect(resolvedText({ by: "verify-tool", entry: "e", call: "call_1" })).toContain("call_1");
  expect(resolvedText({ by: "sent-again", entry: "e", call: "call_2" })).toContain(
    "key: sent again as call_2",
  );
});

test("a class names its verify tool, and which arguments that is given", () => {
  expect(classFrom("class", "verifiable:find")).toEqual({ kind: "verifiable", verifyTool: "find" });
  expect(classFrom("class", "verifiable:find:to,note")).toEqual({
    kind: "verifiable",
    verifyTool: "find",
    verifyArguments: ["to", "note"],
  });
  for (const wrong of [
    "verifiable",
    "verifiable:",
    "verifiable::to",
    "verifiable:find:",
    "verifiable:find:to,",
  ])
    expect(() => classFrom("class", wrong)).toThrow(/verifiable:<tool>/);
});

test("a class that only reads may have the arguments of a probe, and how often it is made", () => {
  const given = { path: "a:b", deep: { n: 1 } };
  const json = JSON.stringify(given);
  expect(classFrom("class", "read")).toEqual({ kind: "read" });
  expect(classFrom("class", `read:${json}`)).toEqual({ kind: "read", probe: { arguments: given } });
  expect(classFrom("class", `read:${json}:1m`)).toEqual({
    kind: "read",
    probe: { arguments: given, everyMs: 60_000 },
  });
  for (const wrong of ["read:", "read:1m", "read:{", `read:${json}x`, 'read:["a"]', `read:${json}:1m:2m`])
    expect(() => classFrom("class", wrong)).toThrow(/read:\{"argument":"value"\}/);
  expect(() => classFrom("class", `read:${json}:often`)).toThrow(/a number and a unit/);
  expect(() => classFrom("class", "effect:{}")).toThrow(/nothing after the colon/);
});
