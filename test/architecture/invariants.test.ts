import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import fast from "../../vitest.config.ts";
import whole from "../../vitest.integration.config.ts";

/**
 * What the product promises stands in ARCHITECTURE.md, one line each, with the tests that hold it. A promise that no test holds fails here,
 * and so does one whose test is gone, is run by nobody, or is passed over.
 */
const root = join(import.meta.dirname, "../..");
const heading = "## Invariants, and the test that holds each";
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const isRun = new Set(
  [fast, whole].flatMap(({ test: { include = [] } = {} }) =>
    include.flatMap((pattern) => globSync(pattern, { cwd: root })),
  ),
);

const [, after = ""] = read("ARCHITECTURE.md").split(`\n${heading}\n`);
const lines = after
  .split("\n## ", 1)
  .join("")
  .split("\n")
  .filter((line) => line.startsWith("|"));
const promises = lines.slice(2).map((line) => {
  const [, promise = "", heldBy = ""] = line.split("|").map((cell) => cell.trim());
  return { promise, heldBy };
});

test("each promise is made once, and there are some", () => {
  expect(promises.length).toBeGreaterThan(50);
  expect(new Set(promises.map(({ promise }) => promise)).size).toBe(promises.length);
});

test.each(promises)("a test that is run holds: $promise", ({ heldBy }) => {
  const named = [...heldBy.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file);
  expect(named).not.toEqual([]);
  for (const file of named) {
    expect(suitesIn(file), `${file} is run`).not.toEqual([]);
    for (const each of [file, ...suitesIn(file)])
      expect(read(each), `nothing of ${each} is passed over`).not.toMatch(
        /\b(?:test|it|describe)\.(?:skip|todo|only|fails)\b/,
      );
    expect(read(file), `${file} has scenarios`).toMatch(/\b(?:test|it)(?:\.\w+)*\(/);
  }
});

/** The test itself, or those that run a behaviour suite: one for each thing that has to behave so. */
function suitesIn(file: string): readonly string[] {
  if (!file.endsWith(".suite.ts")) return isRun.has(file) ? [file] : [];
  const name = file.slice(file.lastIndexOf("/") + 1);
  return [...isRun].filter((each) => read(each).includes(`/${name}"`));
}
