import { Command } from "commander";
import { version } from "../app/command-line.ts";
import { auditCommand } from "./commands/audit.ts";
import { approvalsCommand } from "./commands/approvals.ts";
import { backupCommand } from "./commands/backup.ts";
import { callsCommand } from "./commands/calls.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { importCommand } from "./commands/import.ts";
import { limitsCommand } from "./commands/limits.ts";
import { offeredCommands } from "./commands/offered.ts";
import { policyCommand } from "./commands/policy.ts";
import { principalCommands } from "./commands/principals.ts";
import { restoreCommand } from "./commands/restore.ts";
import { runsCommand } from "./commands/runs.ts";
import { serversCommand } from "./commands/servers.ts";
import { startCommands } from "./commands/start.ts";
import { stdioCommand } from "./commands/stdio.ts";
import { statusCommands } from "./commands/status.ts";
import { storeCommand } from "./commands/store.ts";
import { tenantsCommand } from "./commands/tenants.ts";
import { toolsCommand } from "./commands/tools.ts";
import { vaultCommand } from "./commands/vault.ts";
import { globalOptions } from "./session.ts";
import type { Terminal } from "./terminal.ts";

/**
 * The whole command line as one tree: what is run, shown as help, and written down in docs/reference/cli.md. What it does not
 * understand it says on stderr, unless whoever runs it says so in another form (`isQuiet`); it is thrown either way.
 */
export function buildProgram(terminal: Terminal, isQuiet = false): Command {
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
  stdioCommand(program, terminal);
  program.commandsGroup("On this machine:");
  doctorCommand(program, terminal);
  program.commandsGroup("Tools and who uses them:");
  serversCommand(program, terminal);
  toolsCommand(program, terminal);
  offeredCommands(program, terminal);
  importCommand(program, terminal);
  vaultCommand(program, terminal);
  principalCommands(program, terminal);
  tenantsCommand(program, terminal);
  program.commandsGroup("Rules and records:");
  policyCommand(program, terminal);
  limitsCommand(program, terminal);
  callsCommand(program, terminal);
  approvalsCommand(program, terminal);
  runsCommand(program, terminal);
  auditCommand(program, terminal);
  program.commandsGroup("Backups:");
  backupCommand(program, terminal);
  restoreCommand(program, terminal);
  storeCommand(program, terminal);
  program.commandsGroup("This node, this program:");
  statusCommands(program, terminal);
  return program;
}

const epilogue = `
Which node: --url and SIGNALBOX_TOKEN (or --token), SIGNALBOX_URL, or what \`signalbox dev\` left in ./.signalbox.
Output: a table at a terminal, one JSON document otherwise or with --json; progress on stderr.
Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 timed out.`;
