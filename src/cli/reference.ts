import type { Argument, Command, Option } from "commander";
import { commonOptionList, commonOptions, examples } from "./session.ts";

/** The reference page of the command line: `docs/reference/cli.md`. */
export function referenceText(program: Command): string {
  const lines = [
    "# Command line",
    "",
    "<!-- Generated from src/cli/program.ts by tools/generate-cli-reference.ts. -->",
    "",
    program.description(),
    "",
    "Commands that speak to a node find it by `--url` and `SIGNALBOX_TOKEN` (or `--token`), by `SIGNALBOX_URL`, or by what `signalbox dev` left in `.signalbox/cli.json`, looked for from the working directory upwards. That file is used only when nobody else can read it, and its key is never sent to another address than the one it was left for.",
    "",
    "Answers go to stdout: tables at a terminal, one JSON document otherwise or with `--json` (`--no-json`: tables also in a pipe). Progress, remarks and errors go to stderr; with `--json` an error is one line of JSON there. `NO_COLOR` is respected. Secrets are printed once, where they are made, and read from standard input or without echo.",
    "",
    "Every command has `--json`; those that speak to a node have all of these:",
    "",
    "| option | meaning |",
    "|---|---|",
    ...commonOptionList().map(optionRow),
    "",
    "| exit code | meaning |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | failed |",
    "| 2 | not understood; nothing was done |",
    "| 3 | refused: somebody may not do it, or a setting is not fit for production |",
    "| 4 | timed out |",
    "",
  ];
  for (const command of program.commands) section(lines, command, [program.name()]);
  return `${lines.join("\n").trimEnd()}\n`;
}

function section(lines: string[], command: Command, above: readonly string[]): void {
  const path = [...above, command.name()];
  const { commands } = command;
  if (above.length === 1) lines.push(`## ${path.slice(1).join(" ")}`, "", command.description(), "");
  if (commands.length > 0) {
    for (const child of commands) section(lines, child, path);
    return;
  }
  if (above.length > 1) lines.push(`### ${path.slice(1).join(" ")}`, "", command.description(), "");
  lines.push("```", `${path.join(" ")} ${usageOf(command)}`.trimEnd(), "```", "");
  const rows = command.options
    .filter((option) => !option.hidden && !commonOptions.has(option))
    .map(optionRow);
  if (rows.length > 0) lines.push("| option | meaning |", "|---|---|", ...rows, "");
  const example = examples.get(command);
  const speaks = command.options.some((option) => option.long === "--url") ? " Speaks to a node." : "";
  if (example !== undefined) lines.push(`Example: \`${example}\`.${speaks}`, "");
}

const usageOf = (command: Command): string =>
  [...command.registeredArguments.map(argumentText), command.options.length > 0 ? "[options]" : ""]
    .filter((part) => part !== "")
    .join(" ");

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionRow(option: Option): string {
  const notes = [
    option.description,
    ...(option.mandatory ? ["required"] : []),
    ...(option.defaultValue === undefined || typeof option.defaultValue === "boolean"
      ? []
      : [`default ${String(option.defaultValue)}`]),
  ];
  return `| \`${option.flags}\` | ${notes.join("; ").replaceAll("|", "\\|")} |`;
}
