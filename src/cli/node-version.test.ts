import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { tooOld } from "./node-version.ts";

test("a Node that is too old is told so, as package.json has it", () => {
  for (const version of ["20.20.2", "22.18.9", "8.0.0"]) expect(tooOld(version)).toContain(version);
  for (const version of ["22.19.0", "22.20.1", "24.0.0", "26.1.0"]) expect(tooOld(version)).toBeNull();
  const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(">=22.19");
});
