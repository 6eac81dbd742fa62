import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

/** `signalbox/sdk` as a program that has installed the package sees it: the built declarations, under a compiler at its strictest. */
const root = join(import.meta.dirname, "..");
const compiler = join(root, "node_modules/typescript/bin/tsc");
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-types-"));
  const installed = join(directory, "node_modules/signalbox");
  mkdirSync(installed, { recursive: true });
  execFileSync(process.execPath, [
    compiler,
    "-p",
    join(root, "tsconfig.build.json"),
    "--outDir",
    join(installed, "dist"),
    "--emitDeclarationOnly",
  ]);
  cpSync(join(root, "package.json"), join(installed, "package.json"));
  writeFileSync(join(directory, "package.json"), `{"type": "module"}`);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What the compiler has to say; nothing = it is content. */
function compiled(program: string): string {
  writeFileSync(join(directory, "program.ts"), program);
  const options = ["--strict", "--noEmit", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes"];
  const world = ["--module", "nodenext", "--target", "es2024", "--lib", "es2024,dom", "--types", ""];
  const ran = spawnSync(process.execPath, [compiler, ...options, ...world, "program.ts"], {
    cwd: directory,
    encoding: "utf8",
  });
  return ran.stdout + ran.stderr;
}

const program = (work: string) => `
  import { connect, defineAgent } from "signalbox/sdk";
  const box = connect({ url: "http://127.0.0.1:7070", token: "" });
  export const given: number = await box.run("a", async (step) => { ${work} });
  export const clerk = defineAgent({
    name: "clerk",
    version: "1",
    compact: (messages: readonly string[], { limit, step }) => ({ output: messages.slice(limit ?? step.length) }),
    run: async (step, input: { readonly text: string }) => ({
      read: await step.model("read", { input, call: () => asked(input.text) }),
    }),
  });
  export const isReading: (...all: Parameters<typeof clerk.run>) => Promise<{ readonly read: number }> = clerk.run;
  async function asked(text: string) {
    return { output: text.length, model: "small-1", tokens: { input: 1, output: 2 } };
  }
  async function found() {
    return { id: "a", size: 1 };
  }
`;

test.each([
  [`const { output } = await asked("a"); return output;`],
  [`return step.model("m", () => asked("a"));`],
  [`return step.model("m", { input: 1, call: () => ({ output: 1 }) });`],
  [`const given = await step.value("v", found); return given.size;`],
  [`const given = await step.value("v", { input: 1, call: found }); return given.size;`],
  [`const given = await step.value("v", () => [1, 2]); return given.length;`],
  [`const given = await step.child<{ size: number }>("c", "clerk", { text: "a" }); return given.size;`],
  [
    `return step.model("m", { messages: ["a"], onCompacted: (all) => all.length, call: (all) => asked(all.join()) });`,
  ],
  [`const given = await step.wait<{ amount: number }>("w", "paid"); return given.payload?.amount ?? 0;`],
])("the types of a step are what its function gives: %s", (work) => {
  expect(compiled(program(work))).toBe("");
});

test("what a step gives is not anything that one likes", () => {
  expect(compiled(program(`return (await step.value("v", found)).id;`))).toContain("TS2322");
});
