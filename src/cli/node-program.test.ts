import type { Command } from "commander";
import { expect, test } from "vitest";
import { readEnvironment } from "../app/command-line.ts";
import { systemClock } from "../base/index.ts";
import { nodeProgram } from "./node-program.ts";
import { buildProgram } from "./program.ts";

const { stdin, stdout, stderr } = process;
const terminal = { environment: readEnvironment(), clock: systemClock, stdin, stdout, stderr };

test("a command that starts a node is the same alone as in the whole tree", () => {
  const helpOf = (program: Command, name: string) =>
    program.commands.find((command) => command.name() === name)?.helpInformation();
  const alone = nodeProgram(terminal, false);
  const names = alone.commands.map((command) => command.name());
  expect(names).toContain("serve");
  for (const name of names) expect(helpOf(alone, name)).toBe(helpOf(buildProgram(terminal), name));
});
