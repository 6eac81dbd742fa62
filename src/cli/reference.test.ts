import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { readEnvironment } from "../app/command-line.ts";
import { systemClock } from "../base/index.ts";
import { buildProgram } from "./program.ts";
import { referenceText } from "./reference.ts";
import { examples } from "./session.ts";

const { stdin, stdout, stderr } = process;
const program = buildProgram({ environment: readEnvironment(), clock: systemClock, stdin, stdout, stderr });

const leaves = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

test("the reference page says what the commands say", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/reference/cli.md"), "utf8");
  expect(page === referenceText(program), "run: node tools/generate-cli-reference.ts").toBe(true);
});

test("every command has a summary and an example that begins with its own name", () => {
  for (const command of leaves(program)) {
    const path: string[] = [];
    for (let each: Command | null = command; each !== null; each = each.parent) path.unshift(each.name());
    expect(command.summary(), path.join(" ")).not.toBe("");
    expect(examples.get(command), path.join(" ")).toContain(path.join(" "));
  }
});

test("every command that answers can answer in JSON", () => {
  for (const command of leaves(program)) {
    expect(
      command.options.map((option) => option.long),
      command.name(),
    ).toContain("--json");
  }
});
