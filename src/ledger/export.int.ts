import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ManualClock, wallMs } from "../base/index.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { parseWitnessKey } from "./cosignature.ts";
import { verifyCheckpoints } from "./consistency.ts";
import { verifyExport } from "./export-verify.ts";
import { acme, openedLedger, sampleEntry, settled } from "./ledger.fixture.ts";
import { entryWrite } from "./leaf.ts";
import type { ExportRange } from "./log-export.ts";
import { parseVerifierKey } from "./note.ts";
import type { ArchiveFile } from "./tar.ts";
import { packed, unpacked } from "./tar.ts";
import { SmallWitness } from "./witness.fixture.ts";

const stranger = join(import.meta.dirname, "../../examples/verify-log.mjs");
const scratch = mkdtempSync(join(tmpdir(), "signalbox-export-"));
const witness = new SmallWitness("witness.example/w1");
/** Two upper levels of tiles, the second with one hash. */
const entries = 256 * 256 + 700;
const whole: ExportRange = { since: null, until: null };
let opened: Awaited<ReturnType<typeof openedLedger>>;
let verifierKey: string;
let early: string;
let files: ArchiveFile[];

beforeAll(async () => {
  const key = parseWitnessKey(witness.keyText);
  if (key === null) throw new Error("no key");
  const clock = new ManualClock();
  const post = async (body: string) => await Promise.resolve(witness.addCheckpoint(body, 1_767_225_600));
  opened = await openedLedger({ clock, witnesses: [{ name: "outside", key, post }] });
  const { ledger, store, sequencer, writeSealed } = opened;
  verifierKey = ledger.verifierKey(acme);
  const log = parseVerifierKey(verifierKey);
  if (log !== null) witness.knows(log);
  const one = sequencer();
  await writeSealed(sampleEntry(0, "act"), '{"amount":1}');
  for (let n = 1; n < entries; n += 500) {
    const some = Array.from({ length: Math.min(500, entries - n) }, (_, i) => sampleEntry(n + i, "act"));
    await store.commit(some.map((entry) => entryWrite(entry, null).write));
    await one.sequence();
    if (n === 1) early = (await ledger.checkpoint(acme)) ?? "";
  }
  await ledger.start();
  await settled(() => {
    clock.advance(50);
    return witness.seen.get(ledger.origin(acme))?.size === entries;
  });
  await ledger.stop();
  files = await collected(whole);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function collected(range: ExportRange, withPayloads = false): Promise<ArchiveFile[]> {
  const found: ArchiveFile[] = [];
  for await (const file of unpacked(opened.ledger.export(acme, range, withPayloads))) found.push(file);
  return found;
}

async function* each(given: readonly ArchiveFile[]): AsyncGenerator<ArchiveFile> {
  yield* await Promise.resolve(given);
}

const trust = (more: object = {}) => ({ verifierKey, remembered: [], witnessKeys: [], ...more });

function lay(name: string, given: readonly ArchiveFile[]): string {
  const directory = join(scratch, name);
  for (const { path, bytes } of given) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
  return directory;
}

function strangers(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [stranger, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

/** The export with one file changed. */
const changed = (path: string, change: (bytes: Buffer) => Buffer | null): ArchiveFile[] =>
  files.flatMap((file) => {
    if (file.path !== path) return [file];
    const bytes = change(Buffer.from(file.bytes));
    return bytes === null ? [] : [{ path, bytes }];
  });

describe("an export of a log", () => {
  it("verifies by our program and by a stranger's, with key, remembered checkpoint and witness", async () => {
    const proven = await verifyExport(
      each(files),
      trust({ remembered: [early], witnessKeys: [witness.keyText] }),
    );
    expect(proven).toMatchObject({
      ok: true,
      value: {
        size: entries,
        entries: { from: 0, count: entries },
        trust: "given",
        witnesses: [{ witness: "witness.example/w1", size: entries }],
      },
    });
    const directory = lay("whole", files);
    writeFileSync(join(scratch, "early"), early);
    const args = ["--key", verifierKey, "--checkpoint", join(scratch, "early"), "--witness", witness.keyText];
    const found = await strangers(directory, ...args);
    expect([found.code, found.err]).toEqual([0, ""]);
    expect(found.out).toContain(`proven      ${entries} entries`);
    expect(found.out).toContain(`witness     witness.example/w1: ${entries} entries`);
  });

  it("has the files of C2SP tlog-tiles", () => {
    const names = files.map(({ path }) => path);
    const last = `tile/0/258.p/${entries - 258 * 256}`;
    const expected = [
      "checkpoint",
      "tile/0/000",
      "tile/entries/255",
      last,
      "tile/1/000",
      "tile/1/001.p/2",
      "tile/2/000.p/1",
    ];
    expect(names).toEqual(expect.arrayContaining(expected));
  });

  it.each<[string, string, string, (bytes: Buffer) => Buffer | null]>([
    [
      "an edited entry",
      "tile/entries/003",
      "entry",
      (bytes) => Buffer.from(bytes.toString().replace("allow", "deny!")),
    ],
    ["a bundle that was cut off", "tile/entries/003", "entry", (bytes) => bytes.subarray(0, -10)],
    ["a bundle taken out", "tile/entries/003", "entry", () => null],
    [
      "a changed hash",
      "tile/0/003",
      "entry",
      (bytes) => Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]),
    ],
    [
      "a changed upper hash",
      "tile/1/000",
      "tile",
      (bytes) => Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]),
    ],
    [
      "a checkpoint with another root",
      "checkpoint",
      "signature",
      (bytes) => Buffer.from(bytes.toString().replace(/\n.{4}/g, "\nAAAA")),
    ],
    ["a tile taken out", "tile/0/003", "malformed", () => null],
  ])("with %s is found out by both", async (what, path, problem, change) => {
    const given = changed(path, change);
    const proven = await verifyExport(each(given), trust());
    expect(proven).toMatchObject({
      ok: false,
      refusal: { problem: expect.stringMatching(`${problem}|malformed`) },
    });
    const directory = lay(what.replaceAll(" ", "-"), given);
    expect((await strangers(directory, "--key", verifierKey)).code).toBe(1);
    rmSync(directory, { recursive: true });
  });

  it("of another history is found out by what was remembered, and by the witness that is missing", async () => {
    const other = await openedLedger(); // the same keys and origin
    for (let n = 0; n < 600; n += 100) {
      const some = Array.from({ length: 100 }, (_, i) => sampleEntry(9_000 + n + i, "act"));
      await other.store.commit(some.map((entry) => entryWrite(entry, null).write));
      await other.sequenceAll();
    }
    const forged: ArchiveFile[] = [];
    for await (const file of unpacked(other.ledger.export(acme, whole))) forged.push(file);
    expect(await verifyExport(each(forged), trust())).toMatchObject({ ok: true });
    expect(await verifyExport(each(forged), trust({ remembered: [early] }))).toMatchObject({
      ok: false,
      refusal: { problem: "rewritten" },
    });
    const directory = lay("forged", forged);
    writeFileSync(join(scratch, "kept"), early);
    const kept = await strangers(directory, "--key", verifierKey, "--checkpoint", join(scratch, "kept"));
    expect([kept.code, kept.err]).toEqual([1, expect.stringContaining("are not those")]);
    const unwitnessed = await strangers(directory, "--key", verifierKey, "--witness", witness.keyText);
    expect([unwitnessed.code, unwitnessed.err]).toEqual([1, expect.stringContaining("co-signed nothing")]);
  });

  it("of a range holds its entries and every hash, as of then", async () => {
    const at = (n: number) => wallMs(1_767_225_600_000 + n);
    const given = await collected({ since: at(10_000), until: at(30_000) });
    const proven = await verifyExport(each(given), trust());
    if (!proven.ok) throw new Error(JSON.stringify(proven.refusal));
    const { size, entries: here } = proven.value;
    expect(size).toBeGreaterThan(30_000);
    expect(size).toBeLessThan(31_000);
    expect(here.from).toBeGreaterThan(8_500);
    expect(here.from).toBeLessThanOrEqual(10_000);
    expect(here.from + here.count).toBe(size);
    expect((await strangers(lay("range", given), "--key", verifierKey)).code).toBe(0);
    await expect(collected({ since: null, until: at(-1) })).rejects.toMatchObject({ code: "not-found" });
  });

  it("opens payloads only where that is asked for", async () => {
    expect(files.some(({ path }) => path.startsWith("payloads/"))).toBe(false);
    const given = await collected({ since: null, until: wallMs(1_767_225_600_000) }, true);
    const opened = given.find(({ path }) => path === "payloads/000");
    expect(Buffer.from(opened?.bytes ?? []).toString()).toContain('"arguments":"{\\"amount\\":1}"');
    expect(await verifyExport(each(given), trust())).toMatchObject({ ok: true });
  });

  it("breaks off where the archive does, and unpacks nowhere else", async () => {
    const parts: Uint8Array[] = [];
    for await (const part of opened.ledger.export(acme, { since: null, until: wallMs(1_767_225_600_000) }))
      parts.push(part);
    const tar = Buffer.concat(parts);
    const read = async (bytes: Buffer) => {
      for await (const _ of unpacked(chunked(bytes))) continue;
    };
    await expect(read(tar.subarray(0, -2_000))).rejects.toThrow(/breaks off/);
    const evil: Uint8Array[] = [];
    for await (const part of packed(each([{ path: "../../evil", bytes: Buffer.from("x") }]), 0))
      evil.push(part);
    await expect(read(Buffer.concat(evil))).rejects.toThrow(/not a plain file/);
  });

  it("of an earlier day begins the later one: the proof of it verifies, and no other", async () => {
    const newest = (await opened.ledger.checkpoint(acme)) ?? "";
    const from = parseCheckpoint(early)?.size ?? 0;
    const proof = await opened.ledger.consistency(acme, from, entries);
    if (!proof.ok) throw new Error("no proof");
    expect(verifyCheckpoints(early, newest, proof.value, verifierKey)).toMatchObject({ ok: true });
    const [first = "", ...rest] = proof.value;
    const wrong = [Buffer.alloc(32, first.charCodeAt(0)).toString("base64"), ...rest];
    expect(verifyCheckpoints(early, newest, wrong, verifierKey)).toMatchObject({
      refusal: { problem: "inconsistent" },
    });
    expect(await opened.ledger.consistency(acme, 5, entries + 1)).toMatchObject({ ok: false });
  });
});

async function* chunked(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
