import { expect, test } from "vitest";
import { Hopes } from "./hopes.ts";

test("where a key was taken it is asked for a while, and hoped elsewhere and afterwards", () => {
  const hopes = new Hopes();
  hopes.dash("signal");
  let asked = 0;
  while (!hopes.takeFor("signal")) asked++;
  expect(asked).toBeGreaterThan(100);
  expect(hopes.takeFor("signal")).toBe(true);
  expect(hopes.takeFor("entry")).toBe(true);
});
