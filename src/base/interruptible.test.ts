import { expect, test } from "vitest";
import { interruptible } from "./interruptible.ts";

test("what ends in time gives its value, or throws what it throws", () => {
  expect(interruptible(1_000, () => 7)).toEqual({ value: 7 });
  expect(() => interruptible(1_000, () => JSON.parse("{"))).toThrow(SyntaxError);
});

test("what does not end is ended, whatever it catches, and the next one runs", () => {
  const endless = () => {
    for (;;) {
      try {
        for (;;);
      } catch {
        // nothing is thrown in here that could be caught
      }
    }
  };
  expect(interruptible(20, endless)).toBeNull();
  expect(interruptible(1_000, () => "after")).toEqual({ value: "after" });
});
