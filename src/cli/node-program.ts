import { Command } from "commander";
import { version } from "../app/command-line.ts";
import { startCommands } from "./commands/start.ts";
import { globalOptions } from "./session.ts";
import type { Terminal } from "./terminal.ts";

/**
 * The program itself, and of its commands those that start a node. What it does not understand it says on stderr, unless whoever
 * runs it says so in another form (`isQuiet`); it is thrown either way.
 */
export function nodeProgram(terminal: Terminal, isQuiet: boolean): Command {
  const program = new Command("signalbox");
  program
    .description(
      "The control plane for AI agents: one MCP endpoint in front of all tools, every call authenticated, decided and on record.",
    )
    .version(version, "--version", "the version of this program")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => isQuiet || terminal.stderr.write(text),
    })
    .addHelpText("after", epilogue);
  globalOptions(program);

  program.commandsGroup("Start a node:");
  startCommands(program, terminal);
  return program;
}

const epilogue = `
Which node: --url and SIGNALBOX_TOKEN (or --token), SIGNALBOX_URL, or what \`signalbox dev\` left in ./.signalbox.
Output: a table at a terminal, one JSON document otherwise or with --json; progress on stderr.
Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 timed out.`;
