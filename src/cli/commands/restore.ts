import type { Command } from "commander";
import { systemRandom } from "../../base/index.ts";
import { localVerb, run } from "../session.ts";
import type { Terminal } from "../terminal.ts";
import { backupSource, reportAnswer, textOf, withProgress } from "./backup-files.ts";

interface RestoreOptions {
  readonly to: string;
  readonly backupKey: string;
  readonly nodeKey: string;
  readonly placeNodeKey?: boolean;
}

export function restoreCommand(program: Command, terminal: Terminal): void {
  localVerb(program, {
    usage: "restore <file>",
    summary: "Make a new data directory of a backup: whole, or not at all; - = stdin",
    notes:
      "Never overwrites anything. Runs that were open wait in review in it, because what was done after the backup is not known: `signalbox runs review`.",
    example:
      "signalbox restore signalbox-2026-11-28.sbx --to /var/lib/signalbox --backup-key backup.key --node-key node.key",
  })
    .requiredOption("--to <dir>", "the new data directory; must be empty or missing")
    .requiredOption("--backup-key <file>", "the private half of whom the backup is for")
    .requiredOption("--node-key <file>", "the key file of the node that was backed up; checked to fit")
    .option("--place-node-key", "put the key file into the directory, where the configuration names none")
    .action(
      run(terminal, async (session, file: string, options: RestoreOptions) => {
        const { secretOf } = await import("../../backup/index.ts");
        const { readKeyFile, restoreBackup } = await import("../../app/index.ts");
        const restored = await restoreBackup({
          source: withProgress(session, "restoring", backupSource(file, terminal)),
          secret: secretOf(textOf(options.backupKey)),
          nodeKey: readKeyFile(options.nodeKey),
          directory: options.to,
          placesKey: options.placeNodeKey === true,
          clock: terminal.clock,
          random: systemRandom,
        });
        session.print(reportAnswer(restored, file, { directory: options.to, epoch: restored.epoch }));
        session.output.remark(
          `${options.to} is whole. The first node that starts on it puts open runs into review: \`signalbox runs review ls\`.`,
        );
      }),
    );
}
