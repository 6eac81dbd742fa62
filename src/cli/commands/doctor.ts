import type { Command } from "commander";
import type { Finding } from "../../app/index.ts";
import { cleanLine } from "../clean.ts";
import { exitCodes, Stop } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import { localVerb, run } from "../session.ts";
import type { Page, Terminal } from "../terminal.ts";

export function doctorCommand(program: Command, terminal: Terminal): void {
  localVerb(program, {
    usage: "doctor",
    summary: "Look at this machine: runtime, configuration, disk, key file, port, programs, ledger",
    notes:
      "Each finding that is not in order says what to do. Changes nothing. Fails when something will not work.",
    example: "signalbox doctor --config signalbox.yaml --production",
  })
    .option("--config <file>", "the configuration to look at (./signalbox.yaml)")
    .option("--data <dir>", "another data directory than the configuration's")
    .option("--production", "also what `serve` would refuse")
    .action(
      run(terminal, async (session, options: { config?: string; production?: boolean }) => {
        const { examine, loadConfig } = await import("../../app/index.ts");
        const { environment, clock } = terminal;
        const { data } = session;
        const loaded = loadConfig({
          environment,
          file: options.config ?? null,
          ...(data === undefined ? {} : { data }),
        });
        const findings = await examine({
          environment,
          clock,
          loaded,
          production: options.production ?? false,
        });
        const failed = findings.filter(({ state }) => state === "failed");
        session.print({
          json: { ok: failed.length === 0, findings },
          human: (page) => findingsText(findings, page),
        });
        if (failed.length > 0) {
          throw new Stop("doctor", `${failed.length} of ${findings.length} findings will not work.`, {
            exitCode: exitCodes.failed,
          });
        }
      }),
    );
}

const signs = { ok: "✓", warning: "!", failed: "✗", skipped: "–" } as const;

const findingsText = (findings: readonly Finding[], { paint }: Page): string =>
  findings
    .flatMap(({ id, state, what, fix }) => [
      `${paint(colourOfState(state), `${signs[state]} ${state.padEnd(7)}`)} ${id.padEnd(16)} ${what
        .split("\n")
        .map(cleanLine)
        .join(`\n${" ".repeat(27)}`)}`,
      ...(fix === null ? [] : [`${" ".repeat(27)}${paint("cyan", `→ ${fix}`)}`]),
    ])
    .join("\n");
