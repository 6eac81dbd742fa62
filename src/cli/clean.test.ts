import { describe, expect, test } from "vitest";
import { cleanLine, cleanLines } from "./clean.ts";

describe("data on its way to a terminal", () => {
  test.each([
    ["a colour", "\u001b[31mred\u001b[0m", "red"],
    ["a cleared screen", "a\u001b[2Jb", "ab"],
    ["a title of the window", "\u001b]0;title\u0007x", "x"],
    ["a hidden link", "\u001b]8;;http://evil.example\u001b\\here\u001b]8;;\u001b\\", "here"],
    ["an eight-bit sequence", "a\u009b31mb", "ab"],
    ["an unfinished sequence", "a\u001b", "a"],
    ["a carriage return that hides what stands before it", "safe\rrm -rf", "safe rm -rf"],
    ["text from right to left", "abc\u202egpj.exe", "abcgpj.exe"],
    ["zero-width signs", "ad\u200bmin\ufeff", "admin"],
    ["a bell and a backspace", "a\u0007b\b", "ab"],
    ["invisible tags", "x\u{e0061}\u{e007f}", "x"],
  ])("loses %s", (_what, given, left) => {
    expect(cleanLine(given)).toBe(left);
  });

  test("keeps its lines where there may be several", () => {
    expect(cleanLines("a\r\n\tb\u001b[1m\rc")).toBe("a\n  b\nc");
  });

  test("keeps every language", () => {
    for (const text of ["Größe", "漢字", "한국어", "עברית", "e\u0301"]) expect(cleanLine(text)).toBe(text);
  });
});
