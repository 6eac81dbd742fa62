import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Cosignature } from "./cosignature.ts";
import { cosignatureIn, parseWitnessKey } from "./cosignature.ts";
import {
  bundleWidth,
  entriesPath,
  exportNames,
  historyPath,
  payloadsPath,
  tilePath,
  tilesOf,
  widthOf,
} from "./export-layout.ts";
import { entryOfLeaf, leafHashOf } from "./leaf.ts";
import { Frontier, hashBytes } from "./merkle.ts";
import type { VerifierKey } from "./note.ts";
import { parseVerifierKey } from "./note.ts";
import type { ArchiveFile } from "./tar.ts";

export interface ExportProblem {
  /** Of what: the key given, the form, a signature, an entry, a hash, a checkpoint, a remembered one. */
  readonly problem: "key" | "malformed" | "signature" | "entry" | "tile" | "rewritten" | "short";
  /** Of the first entry that does not hold; null = it is about none. */
  readonly position: number | null;
  readonly detail: string;
}

export interface ProvenExport {
  readonly origin: string;
  readonly size: number;
  /** Entries that are here; of those before `from` only hashes are. */
  readonly entries: { readonly from: number; readonly count: number };
  readonly checkpoints: number;
  /** The newest checkpoint: keep it, and give it to the next verification. */
  readonly checkpoint: string;
  /** `export`: the key came with it, so it proves only that it agrees with itself. */
  readonly trust: "given" | "export";
  /** For each witness that was asked for, the newest checkpoint it has co-signed; null = none. */
  readonly witnesses: readonly {
    readonly witness: string;
    readonly size: number | null;
    readonly said: Cosignature | null;
  }[];
}

export interface ExportTrust {
  /** The log's key, from a source the reader trusts. null = the one in the export. */
  readonly verifierKey: string | null;
  /** Checkpoints kept outside. */
  readonly remembered: readonly string[];
  readonly witnessKeys: readonly string[];
}

/** Thrown inside of a walk, to end it at the first thing that does not hold. */
class Broken extends Error {
  readonly problem: ExportProblem;

  constructor(problem: ExportProblem["problem"], position: number | null, detail: string) {
    super(detail);
    this.problem = { problem, position, detail };
  }
}

/**
 * Proves an export, file by file in the order in which it was written. Memory: a bundle, and one hash per 256 entries for the upper tiles.
 * Rejects when the source of the files does.
 */
export async function verifyExport(
  files: AsyncIterable<ArchiveFile>,
  trust: ExportTrust,
): Promise<Result<ProvenExport, ExportProblem>> {
  const input = new Files(files);
  try {
    return ok(await new Walk(input, trust).run());
  } catch (thrown) {
    if (thrown instanceof Broken) return refuse(thrown.problem);
    throw thrown;
  } finally {
    await input.close();
  }
}

class Walk {
  private readonly input: Files;
  private readonly trust: ExportTrust;
  private readonly witnessKeys: readonly VerifierKey[];
  private readonly said = new Map<string, { size: number; said: Cosignature }>();
  private readonly tree = new Frontier();
  /** By level, from 1 on. */
  private readonly upper: Uint8Array[][] = [];
  private readonly due = new Map<number, { readonly root: Uint8Array; readonly isRemembered: boolean }[]>();
  private checkpoints = 0;
  private entries = { from: 0, count: 0 };

  constructor(input: Files, trust: ExportTrust) {
    this.input = input;
    this.trust = trust;
    this.witnessKeys = trust.witnessKeys.map((text) => {
      const key = parseWitnessKey(text);
      if (key === null)
        throw new Broken("key", null, "the key of a witness is not of the form <name>+<id>+<key>");
      return key;
    });
  }

  async run(): Promise<ProvenExport> {
    await this.input.need(exportNames.readme);
    const shown = text(await this.input.need(exportNames.key)).trim();
    await this.input.need(exportNames.manifest);
    const key = parseVerifierKey(this.trust.verifierKey ?? shown);
    if (key === null)
      throw new Broken("key", null, "the verifier key is not of the form <origin>+<id>+<key>");
    const note = text(await this.input.need(exportNames.checkpoint));
    const newest = opened(note, key);
    this.expect(newest, false);
    this.hear(note, newest.size);
    for (const remembered of this.trust.remembered) this.expectRemembered(opened(remembered, key), newest);
    for (let number = 0; number < tilesOf(newest.size, 0); number++)
      await this.bundle(number, newest.size, key);
    await this.upperTiles(newest.size);
    await this.input.end();
    return {
      origin: newest.origin,
      size: newest.size,
      entries: this.entries,
      checkpoints: this.checkpoints,
      checkpoint: note,
      trust: this.trust.verifierKey === null ? "export" : "given",
      witnesses: this.witnessKeys.map(({ name }) => ({
        witness: name,
        ...(this.said.get(name) ?? { size: null, said: null }),
      })),
    };
  }

  private async bundle(number: number, size: number, key: VerifierKey): Promise<void> {
    const width = widthOf(size, 0, number);
    const first = number * bundleWidth;
    const history = await this.input.take(historyPath(number));
    for (const line of history === null ? [] : text(history).split("\n").slice(0, -1)) {
      const note = noteIn(line);
      const checkpoint = opened(note, key);
      if (checkpoint.size <= first || checkpoint.size > first + width)
        throw new Broken(
          "malformed",
          null,
          `${historyPath(number)} has a checkpoint over ${checkpoint.size} entries`,
        );
      this.expect(checkpoint, false);
      this.hear(note, checkpoint.size);
      this.checkpoints++;
    }
    const given = await this.input.take(entriesPath(number, width));
    if (given === null && this.entries.count > 0)
      throw new Broken("entry", first, `${entriesPath(number, width)} is missing`);
    const hashes = await this.input.need(tilePath(0, number, width));
    if (hashes.byteLength !== width * hashBytes)
      throw new Broken("tile", first, `${tilePath(0, number, width)} is not ${width} hashes`);
    const leaves = given === null ? null : leavesIn(given, width, first);
    if (leaves !== null) {
      if (this.entries.count === 0) this.entries = { from: first, count: 0 };
      this.entries.count += leaves.length;
    }
    for (let i = 0; i < width; i++) {
      const hash = hashes.subarray(i * hashBytes, (i + 1) * hashBytes);
      const leaf = leaves?.[i];
      if (leaf !== undefined && !leafHashOf(leaf).equals(hash))
        throw new Broken("entry", first + i, `entry ${idOf(leaf)} is not the one whose hash the tree has`);
      this.append(hash);
    }
    await this.input.take(payloadsPath(number));
  }

  private append(hash: Uint8Array): void {
    this.tree.append(hash, (height, node) => {
      if (height === 0 || height % 8 !== 0) return;
      (this.upper[height / 8] ??= []).push(node);
    });
    const { size } = this.tree;
    const due = this.due.get(size);
    if (due === undefined) return;
    const root = this.tree.root();
    for (const { root: signed, isRemembered } of due) {
      if (root.equals(signed)) continue;
      const which = isRemembered ? "a remembered checkpoint" : "their checkpoint";
      throw new Broken("rewritten", null, `the first ${size} entries are not those that ${which} covers`);
    }
    this.due.delete(size);
  }

  private async upperTiles(size: number): Promise<void> {
    for (let level = 1; tilesOf(size, level) > 0; level++) {
      for (let number = 0; number < tilesOf(size, level); number++) {
        const width = widthOf(size, level, number);
        const path = tilePath(level, number, width);
        const computed = (this.upper[level] ?? []).slice(number * bundleWidth, number * bundleWidth + width);
        if (!Buffer.concat(computed).equals(await this.input.need(path)))
          throw new Broken("tile", null, `${path} is not what the entries add up to`);
      }
    }
  }

  private expect({ size, root }: Checkpoint, isRemembered: boolean): void {
    if (size === 0) return;
    const due = this.due.get(size) ?? [];
    due.push({ root, isRemembered });
    this.due.set(size, due);
  }

  private expectRemembered(remembered: Checkpoint, newest: Checkpoint): void {
    if (remembered.size > newest.size)
      throw new Broken(
        "short",
        null,
        `a remembered checkpoint covers ${remembered.size} entries; here are ${newest.size}`,
      );
    this.expect(remembered, true);
  }

  private hear(note: string, size: number): void {
    for (const key of this.witnessKeys) {
      const said = cosignatureIn(note, key);
      if (said !== null && (this.said.get(key.name)?.size ?? 0) <= size)
        this.said.set(key.name, { size, said });
    }
  }
}

function opened(note: string, key: VerifierKey): Checkpoint {
  const checkpoint = openCheckpoint(note, key);
  if (checkpoint.ok) return checkpoint.value;
  const { problem, detail } = checkpoint.refusal;
  throw new Broken(problem === "malformed" ? "malformed" : "signature", null, detail);
}

function noteIn(line: string): string {
  try {
    const note: unknown = JSON.parse(line);
    if (typeof note === "string") return note;
  } catch {
    // said below
  }
  throw new Broken("malformed", null, "a line of the checkpoints is not a JSON string");
}

/** Each behind a length of 16 bits; exactly so many, and nothing after. */
function leavesIn(bundle: Buffer, width: number, first: number): string[] {
  const leaves: string[] = [];
  let at = 0;
  while (at + 2 <= bundle.byteLength && leaves.length < width) {
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.byteLength) break;
    leaves.push(bundle.subarray(at + 2, end).toString("utf8"));
    at = end;
  }
  if (leaves.length === width && at === bundle.byteLength) return leaves;
  throw new Broken(
    "entry",
    first + leaves.length,
    `the bundle from ${first} on does not hold ${width} entries`,
  );
}

/** For a message; the leaf is not proven. */
function idOf(leaf: string): string {
  try {
    return entryOfLeaf(leaf).id;
  } catch {
    return "(unreadable)";
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** The files in the order of the layout: some must come, some may. */
class Files {
  private readonly files: AsyncIterator<ArchiveFile>;
  private next: ArchiveFile | null | undefined; // undefined = not looked at yet; null = that was all

  constructor(files: AsyncIterable<ArchiveFile>) {
    this.files = files[Symbol.asyncIterator]();
  }

  /** null = what comes next is something else. */
  async take(path: string): Promise<Buffer | null> {
    const file = await this.peek();
    if (file?.path !== path) return null;
    this.next = undefined;
    return Buffer.from(file.bytes);
  }

  async need(path: string): Promise<Buffer> {
    const bytes = await this.take(path);
    if (bytes !== null) return bytes;
    throw new Broken("malformed", null, `${path} is missing, or not where it should be`);
  }

  async end(): Promise<void> {
    const file = await this.peek();
    if (file !== null) throw new Broken("malformed", null, `${file.path} is more than the checkpoint covers`);
  }

  async close(): Promise<void> {
    await this.files.return?.();
  }

  private async peek(): Promise<ArchiveFile | null> {
    if (this.next === undefined) {
      const given = await this.files.next();
      this.next = given.done === true ? null : given.value;
    }
    return this.next;
  }
}
