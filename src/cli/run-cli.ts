import type { Command } from "commander";
import { cleanLine } from "./clean.ts";
import type { ExitCode } from "./exit.ts";
import { exitCodes, quietExitCode, stopFrom } from "./exit.ts";
import { nodeProgram } from "./node-program.ts";
import type { Terminal } from "./terminal.ts";
import { Output } from "./terminal.ts";

/** Runs one command line (without the program's name) and answers how it ended. Never throws. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const isJson = asksForJson(args);
  try {
    const program = await programFor(args, terminal, isJson);
    await program.parseAsync(args, { from: "user" });
    return exitCodes.ok;
  } catch (thrown) {
    const quiet = quietExitCode(thrown, !isJson);
    if (quiet !== null) return quiet;
    const stop = stopFrom(thrown);
    const { code, message, hint, problems, requestId, exitCode } = stop;
    const output = new Output(terminal, undefined);
    if (isJson) {
      output.remark(JSON.stringify({ error: { code, message, problems, hint, requestId } }));
    } else {
      output.error(`${code}: ${cleanLine(message)}`);
      for (const problem of problems) output.remark(`  ${cleanLine(problem)}`);
      if (hint !== null) output.remark(`  → ${cleanLine(hint)}`);
      if (requestId !== null) output.remark(`  request ${cleanLine(requestId)}`);
    }
    return exitCode;
  }
}

/**
 * A node runs for long, as a client's `stdio` does, and all commands that were loaded stay with it: 2.5 MB. So those are loaded without
 * the others.
 */
async function programFor(args: readonly string[], terminal: Terminal, isQuiet: boolean): Promise<Command> {
  const program = nodeProgram(terminal, isQuiet);
  if (program.commands.some((command) => command.name() === args[0])) return program;
  if (args[0] === "stdio") {
    const { stdioCommand } = await import("./commands/stdio.ts");
    stdioCommand(program, terminal);
    return program;
  }
  const { buildProgram } = await import("./program.ts");
  return buildProgram(terminal, isQuiet);
}

/** Asked of the words themselves, because those that are not understood have no options. What follows "--" is somebody else's. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end === -1 ? args : args.slice(0, end)).includes("--json");
}
