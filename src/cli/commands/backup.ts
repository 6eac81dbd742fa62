import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Command } from "commander";
import type { BackupReport, FileSeal } from "../../backup/index.ts";
import { systemRandom } from "../../base/index.ts";
import { usage } from "../exit.ts";
import type { Session } from "../session.ts";
import { apiVerb, localVerb, noun, run } from "../session.ts";
import type { Terminal } from "../terminal.ts";
import { backupSource, reportAnswer, textOf, withProgress, writeSecretFile } from "./backup-files.ts";

export function backupCommand(program: Command, terminal: Terminal): void {
  const backup = noun(program, "backup", "The whole installation as one sealed file, made while it works");

  apiVerb(backup, {
    usage: "create",
    summary: "Make a backup of a running node, and verify it by reading it back",
    notes:
      "Sealed for its recipient: neither the node nor this machine keeps anything that opens it. The file has its name only once it was read back whole; with `--to -` it goes to stdout and is checked as it passes. The node's key file is not in it: keep that apart.",
    example: "signalbox backup create --to signalbox-2026-11-28.sbx --recipient backup.pub",
    isDefault: true,
  })
    .requiredOption("--to <file>", "a new file; - = stdout")
    .requiredOption("--recipient <key>", "whom it is for: what `backup key` printed, or a file with it")
    .action(
      run(terminal, async (session, { to, recipient }: { to: string; recipient: string }) => {
        if (to !== "-" && existsSync(to)) throw usage(`${to} is there already.`, "Name a new file.");
        const { recipientOf, sealFor } = await import("../../backup/index.ts");
        const seal = sealFor(recipientOf(textOf(recipient)), systemRandom);
        const { key, envelope } = seal;
        const body = { key: Buffer.from(key).toString("base64url"), envelope };
        const bytes = withProgress(session, "backing up", session.systemApi().bytes("/backup", body));
        if (to !== "-") return session.print(reportAnswer(await toFile(session, bytes, to, seal), to));
        // On stdout is the file itself.
        const report = await checked(passedOn(bytes, terminal), () => key);
        session.output.remark(reportAnswer(report, "stdout").human(session.output.page));
      }),
    );

  localVerb(backup, {
    usage: "verify <file>",
    summary: "Read a backup to its end and prove it, without a node; - = stdin",
    notes:
      "Every chunk, the digest and the signature over everything, the number of rows, and that the entries of the ledger are those that its signed checkpoints cover.",
    example: "signalbox backup verify signalbox-2026-11-28.sbx --backup-key backup.key",
  })
    .requiredOption("--backup-key <file>", "the private half of whom it is for")
    .action(
      run(terminal, async (session, file: string, options: { backupKey: string }) => {
        const { openFor, secretOf } = await import("../../backup/index.ts");
        const secret = secretOf(textOf(options.backupKey));
        const bytes = withProgress(session, "reading", backupSource(file, terminal));
        session.print(reportAnswer(await checked(bytes, (envelope) => openFor(secret, envelope)), file));
      }),
    );

  localVerb(backup, {
    usage: "key",
    summary: "Make the key that backups are sealed for: the private half to a file, the public one to stdout",
    notes: "Keep the file off the machines that run nodes. Whoever loses it has no backups.",
    example: "signalbox backup key --to backup.key > backup.pub",
  })
    .requiredOption("--to <file>", "a new file, for this user alone")
    .action(
      run(terminal, async (session, { to }: { to: string }) => {
        const { newBackupSecret, recipientOfSecret, secretOf } = await import("../../backup/index.ts");
        const secret = newBackupSecret(systemRandom);
        writeSecretFile(to, secret);
        session.output.document(recipientOfSecret(secretOf(secret)));
      }),
    );
}

/** Under another name until it was read back whole from where it lies. */
async function toFile(
  session: Session,
  bytes: AsyncIterable<Buffer>,
  file: string,
  seal: FileSeal,
): Promise<BackupReport> {
  const unfinished = `${file}.unfinished`;
  try {
    const handle = await open(unfinished, "w", 0o600);
    try {
      for await (const piece of bytes) await handle.write(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    session.output.remark("Reading it back …");
    const report = await checked(backupSource(unfinished, session.terminal), () => seal.key);
    renameSync(unfinished, file);
    return report;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

async function* passedOn(bytes: AsyncIterable<Buffer>, { stdout }: Terminal): AsyncGenerator<Buffer> {
  for await (const piece of bytes) {
    await new Promise<void>((resolve, reject) => {
      stdout.write(piece, (error) => (error instanceof Error ? reject(error) : resolve()));
    });
    yield piece;
  }
}

async function checked(
  bytes: AsyncIterable<Buffer>,
  keyOf: (envelope: string) => Uint8Array,
): Promise<BackupReport> {
  const { checkBackup } = await import("../../backup/index.ts");
  const { backupTables } = await import("../../app/index.ts");
  return checkBackup(bytes, keyOf, backupTables);
}
