import { createReadStream, existsSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ArchiveFile, ProvenExport } from "../../ledger/index.ts";
import type { WallMs } from "../../base/index.ts";
import { msOf, wallMs, makeDirectories } from "../../base/index.ts";
import { configured } from "../configured.ts";
import { Stop, usage } from "../exit.ts";
import type { Session } from "../session.ts";
import type { Field } from "../show.ts";
import { shown } from "../show.ts";

export interface LogOptions {
  readonly to?: string;
  readonly since?: string;
  readonly until?: string;
  readonly payloads?: boolean;
  readonly offline?: boolean;
  readonly config?: string;
  readonly tenant?: string;
}

/** Writes the log under another name, proves what lies there, and gives it its name then. */
export async function exportWholeLog(session: Session, to: string, options: LogOptions): Promise<void> {
  if (existsSync(to)) throw usage(`${to} is there already.`, "Name a new file or directory.");
  const [since, until] = [instantOf("--since", options.since), instantOf("--until", options.until)];
  if (options.offline === true && options.payloads === true)
    throw usage("--payloads needs a node: it decides who may read them, and puts it on record.");
  const bytes =
    options.offline === true ? offlineBytes(session, options, since, until) : nodeBytes(session, options);
  const unfinished = `${to}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    if (to.endsWith(".tar")) await toFile(bytes, unfinished);
    else await toDirectory(bytes, unfinished);
    const proven = await provenExport(unfinished, { verifierKey: null, remembered: [], witnessKeys: [] });
    renameSync(unfinished, to);
    session.print(shown({ ...proven, to }, [["written", to, "bold"], ...fieldsOf(proven)]));
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Throws Stop with the first thing that does not hold. */
export async function provenExport(
  place: string,
  trust: {
    readonly verifierKey: string | null;
    readonly remembered: readonly string[];
    readonly witnessKeys: readonly string[];
  },
): Promise<ProvenExport> {
  const { unpacked, verifyExport } = await import("../../ledger/index.ts");
  const found = statSync(place, { throwIfNoEntry: false });
  if (found === undefined) throw usage(`There is no ${place}.`);
  const files = found.isDirectory() ? filesIn(place) : unpacked(createReadStream(place));
  const proven = await verifyExport(files, trust);
  if (proven.ok) return proven.value;
  const { problem, position, detail } = proven.refusal;
  const where = position === null ? "" : ` (position ${position})`;
  throw new Stop(`export-${problem}`, `The export does not hold: ${detail}${where}.`);
}

export const fieldsOf = (proven: ProvenExport): readonly Field[] => [
  ["log", proven.origin],
  ["proven", `${proven.size} entries, by ${proven.checkpoints} checkpoints`, "green"],
  [
    "entries here",
    proven.entries.count === proven.size
      ? "all"
      : `${proven.entries.count}, from position ${proven.entries.from} on; of those before, the hashes`,
  ],
  ...proven.witnesses.map(({ witness, size, said }): Field => [
    "witness",
    said === null
      ? `${witness} has co-signed nothing of it`
      : `${witness} has co-signed ${size ?? 0} entries, at ${new Date(msOf(said.at)).toISOString()}`,
    said === null ? "red" : "green",
  ]),
  [
    "key",
    proven.trust === "given"
      ? "the one you gave"
      : "the one in the export: give the one you trust with --key",
    proven.trust === "given" ? "plain" : "yellow",
  ],
];

function nodeBytes(
  session: Session,
  { payloads = false, since, until }: LogOptions,
): AsyncIterable<Uint8Array> {
  const range = { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
  if (payloads) return session.api().bytes("/audit/export", range);
  const query = new URLSearchParams(range).toString();
  return session.api().bytes(`/audit/export${query === "" ? "" : `?${query}`}`, undefined, "GET");
}

/** Also beside running nodes, and when none can run any more. */
async function* offlineBytes(
  session: Session,
  options: LogOptions,
  since: WallMs | null,
  until: WallMs | null,
): AsyncGenerator<Uint8Array> {
  const { allTables, openReadStore } = await import("../../app/index.ts");
  const { exportLog, newestCheckpoints, packed, parseCheckpoint, verifierKeyText } =
    await import("../../ledger/index.ts");
  const { storedPublicKey } = await import("../../keys/index.ts");
  const { clock } = session.terminal;
  const { config, data } = await configured(session, options.config);
  const store = await openReadStore(data, allTables);
  try {
    const tenant = (options.tenant ?? config.tenant) as typeof config.tenant; // what is not there has no log
    const note = (await newestCheckpoints(store)).get(tenant);
    const origin = note === undefined ? undefined : parseCheckpoint(note)?.origin;
    const key = await storedPublicKey(store, "log");
    if (origin === undefined || key === null)
      throw new Stop("not-found", `There is no log of tenant "${tenant}" here.`);
    const madeAt = clock.wall();
    const files = exportLog(store, {
      tenant,
      since,
      until,
      madeAt,
      verifierKey: verifierKeyText(origin, key),
    });
    yield* packed(files, Math.floor(msOf(madeAt) / 1_000));
  } finally {
    store.close();
  }
}

async function toFile(bytes: AsyncIterable<Uint8Array>, file: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const piece of bytes) await handle.write(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function toDirectory(bytes: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  const { unpacked } = await import("../../ledger/index.ts");
  makeDirectories(directory, 0o700);
  for await (const { path, bytes: content } of unpacked(bytes)) {
    const file = join(directory, path); // `unpacked` gives out no path that leads elsewhere
    makeDirectories(dirname(file));
    await writeFile(file, content, { flag: "wx", mode: 0o600 });
  }
}

/** The files of a directory in the order of an export, as far as they are there: what is missing, its verification says. */
async function* filesIn(directory: string): AsyncGenerator<ArchiveFile> {
  const { entriesPath, exportNames, historyPath, parseCheckpoint, payloadsPath, tilePath, tilesOf, widthOf } =
    await import("../../ledger/index.ts");
  const given = function* (...paths: readonly string[]): Generator<ArchiveFile> {
    for (const path of paths) {
      const file = join(directory, path);
      if (existsSync(file)) yield { path, bytes: readFileSync(file) };
    }
  };
  yield* given(exportNames.readme, exportNames.key, exportNames.manifest, exportNames.checkpoint);
  const checkpoint = join(directory, exportNames.checkpoint);
  const size = existsSync(checkpoint) ? (parseCheckpoint(readFileSync(checkpoint, "utf8"))?.size ?? 0) : 0;
  for (let number = 0; number < tilesOf(size, 0); number++) {
    const width = widthOf(size, 0, number);
    const paths = [historyPath(number), entriesPath(number, width), tilePath(0, number, width)];
    yield* given(...paths, payloadsPath(number));
  }
  for (let level = 1; tilesOf(size, level) > 0; level++) {
    for (let number = 0; number < tilesOf(size, level); number++)
      yield* given(tilePath(level, number, widthOf(size, level, number)));
  }
}

function instantOf(option: string, text: string | undefined): WallMs | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw usage(`${option} ${text} is not an instant.`, "Write it like 2026-12-01T00:00:00Z.");
  return wallMs(at);
}
