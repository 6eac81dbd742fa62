import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const files = globSync("sdk/**/*.ts", { cwd: root }).filter(
  (file) => !/\.(test|int|fixture)\.ts$/.test(file),
);

test.each(files)("%s imports nothing but its neighbours and the contract", (file) => {
  const source = readFileSync(join(root, file), "utf8");
  const imported = [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g)].map(([, from]) => from);
  for (const from of imported) expect(from).toMatch(/^\.\/[a-z-]+\.ts$|^\.\.\/contract\/index\.ts$/);
});

test.each(globSync("worker/**/*.ts", { cwd: root }))(
  "%s imports only the sdk, the contract and Node",
  (file) => {
    const source = readFileSync(join(root, file), "utf8");
    const imported = [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g)].map(([, from]) => from);
    for (const from of imported)
      expect(from).toMatch(/^\.\/[a-z-]+\.ts$|^\.\.\/(?:contract|sdk)\/index\.ts$|^node:/);
  },
);

test("the sdk uses only what Node, Deno and browsers all have", () => {
  const all = files.map((file) => readFileSync(join(root, file), "utf8")).join("\n");
  const code = all.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
  expect(code).not.toMatch(/\b(process|Buffer|require|setImmediate|window|document|Deno)\b[.(]/);
});
