import { expect, test } from "vitest";
import { patternSize } from "./pattern-size.ts";

test.each([
  ["", 0],
  ["abc", 3],
  ["a{3}", 3],
  ["a{2,5}b", 6],
  ["a{7,}", 8],
  ["[a-z]{10}", 10],
  ["[]{9}]{10}", 10],
  ["[^]\\]{9}]{2}", 2],
  ["\\d{4}-\\d{2}", 7],
  ["\\{5}", 3],
  ["a{x}", 4],
  ["(ab){10}", 40],
  ["((a{10}){10}){10}", 1_220],
  ["(a|b{3})c", 8],
])("%s is about %d", (pattern, size) => {
  expect(patternSize(pattern)).toBe(size);
});

test.each(["(", "a)", "((a)"])("%s is nothing that will be compiled", (pattern) => {
  expect(patternSize(pattern)).toBe(Infinity);
});
