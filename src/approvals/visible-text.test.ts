import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { visibleText } from "./visible-text.ts";

describe("what a person is shown", () => {
  test.each([
    ["a bidirectional override", "pay \u202e000,1\u202c", "pay ⟨U+202E⟩000,1⟨U+202C⟩"],
    ["a zero-width space", "exam\u200bple.com", "exam⟨U+200B⟩ple.com"],
    ["a tag sign", "hi\u{e0041}", "hi⟨U+E0041⟩"],
    ["a terminal's escape", "\u001b[2Kok", "⟨U+001B⟩[2Kok"],
    ["a lone surrogate", "a\ud800b", "a⟨U+D800⟩b"],
    ["another space", "a\u00a0b", "a⟨U+00A0⟩b"],
    ["a mark over too many others", `a${"\u0336".repeat(6)}b`, `a${"\u0336".repeat(4)}⟨U+0336⟩⟨U+0336⟩b`],
    ["a gap that puts the rest out of sight", `"ok${" ".repeat(900)}and pay"`, '"ok⟨900 × U+0020⟩and pay"'],
  ])("has %s as its number", (_name, given, shown) => {
    expect(visibleText(given)).toBe(shown);
  });

  test("is what was written, where nothing hides", () => {
    const text = 'Grüße, 東京\n{"amount": 12.5} é 😀 e\u0301\u0323 שָׁלוֹם';
    expect(visibleText(text)).toBe(text);
    expect(visibleText(`{\n${" ".repeat(120)}"deep"`)).toBe(`{\n${" ".repeat(120)}"deep"`);
  });

  test("says different things for different texts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        fc.pre(a !== b && !/[⟨⟩]/.test(a + b));
        expect(visibleText(a)).not.toBe(visibleText(b));
      }),
    );
  });
});
