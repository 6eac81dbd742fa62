import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { usage } from "../exit.ts";
import type { Session } from "../session.ts";
import type { Answer, Terminal } from "../terminal.ts";
import { shown } from "../show.ts";
import type { BackupReport } from "../../backup/index.ts";

/** How every key begins, either half: what begins so is the key itself. */
const keyFront = "sbx-backup";

/** A key as it was given, or what stands in the file of that name. */
export function textOf(given: string): string {
  if (existsSync(given)) return readFileSync(given, "utf8");
  if (given.startsWith(keyFront)) return given;
  throw usage(`There is no file ${given}.`);
}

/** A backup as it lies in a file, or comes from stdin. */
export function backupSource(file: string, terminal: Terminal): AsyncIterable<Buffer> {
  if (file === "-") return terminal.stdin;
  if (!existsSync(file)) throw usage(`There is no file ${file}.`);
  return createReadStream(file, { highWaterMark: 1_048_576 });
}

/** For this user alone; never over one that is there. */
export function writeSecretFile(file: string, text: string): void {
  if (existsSync(file))
    throw usage(`${file} is there already.`, "Name a new one: a key is never overwritten.");
  const handle = openSync(file, "wx", 0o600);
  try {
    writeSync(handle, `${text}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Said this often, so that a person sees that something goes on. */
const progressBytes = 67_108_864;
const mebibyte = 1_048_576;

/** Passes bytes on and says on stderr how many there were. */
export async function* withProgress(
  session: Session,
  doing: string,
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let passed = 0;
  let said = 0;
  for await (const piece of bytes) {
    passed += piece.length;
    if (passed - said >= progressBytes) {
      said = passed;
      session.output.remark(`${doing}: ${Math.floor(passed / mebibyte)} MiB …`);
    }
    yield piece;
  }
}

export function reportAnswer(
  report: BackupReport,
  where: string,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  const { header, rows, bytes, proven, unsequenced } = report;
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  const { installation, at, code, checkpoints } = header;
  const json = {
    file: where,
    isWhole: true,
    installation,
    at,
    code,
    bytes,
    rows,
    proven,
    unsequenced,
    checkpoints,
    ...more,
  };
  return shown(json, [
    ["whole", "yes", "green"],
    ["file", where],
    ["installation", installation],
    ["made", `${at}, by version ${code}`],
    ["size", `${bytes} bytes, ${total} rows`],
    ["ledger", `${proven} entries proven, ${unsequenced} not yet sequenced`],
  ]);
}
