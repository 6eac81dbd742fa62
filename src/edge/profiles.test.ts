import { describe, expect, test } from "vitest";
import { noCapabilities } from "../registry/index.ts";
import { Profiles } from "./profiles.ts";

describe("profiles of callers", () => {
  test("nothing declared is the one profile that everybody has", () => {
    const profiles = new Profiles();
    for (const nothing of [{}, undefined, null, [], "x"]) expect(profiles.of(nothing)).toBe(noCapabilities);
  });

  test("equal declarations are one profile, and differently ordered ones have one key", () => {
    const profiles = new Profiles();
    const first = profiles.of({ sampling: {}, elicitation: { form: {} } });
    expect(profiles.of({ sampling: {}, elicitation: { form: {} } })).toBe(first);
    expect(profiles.of({ elicitation: { form: {} }, sampling: {} }).key).toBe(first.key);
    expect(profiles.of({ elicitation: {} }).key).not.toBe(first.key);
  });

  test("are still right when many others came between", () => {
    const profiles = new Profiles();
    const { key } = profiles.of({ roots: {} });
    for (let i = 0; i < 1000; i++) profiles.of({ experimental: { i } });
    expect(profiles.of({ roots: {} }).key).toBe(key);
  });

  test("a declaration of ten thousand characters counts as none", () => {
    expect(new Profiles().of({ experimental: { a: "x".repeat(10_000) } })).toBe(noCapabilities);
  });
});
