import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../base/index.ts";
import { keyFileName, othersMay, ownKeyFile, readKeyFile } from "./key-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-key-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const own = (hasData: boolean) => ownKeyFile(directory, hasData, seededRandom(1));

test("a first start makes a key that only its user can read, and every later one reads it", () => {
  const made = own(false);
  expect(made).toHaveLength(32);
  expect(statSync(join(directory, keyFileName)).mode & 0o077).toBe(0);
  expect(own(true)).toEqual(made);
});

test("a key that is missing beside its data is not replaced", () => {
  expect(() => own(true)).toThrow(/is missing/);
  expect(existsSync(join(directory, keyFileName))).toBe(false);
});

test("a key that others can read, or that is too short, is refused", () => {
  const file = join(directory, "k");
  writeFileSync(file, Buffer.alloc(32).toString("base64"), { mode: 0o644 });
  expect(() => readKeyFile(file)).toThrow(/chmod 600/);
  writeFileSync(join(directory, "short"), "AAAA", { mode: 0o600 });
  expect(() => readKeyFile(join(directory, "short"))).toThrow(/32 bytes/);
});

test("of a key file that is not there it is said how to make one", () => {
  const file = join(directory, "none");
  expect(() => readKeyFile(file)).toThrow(`openssl rand -base64 32 > ${file} && chmod 600 ${file}`);
});

test("a key that root hands to the group of a process that is not root may be read by that group, and nobody may write it", () => {
  const mounted = { uid: 0, mode: 0o100440 };
  expect(othersMay(mounted, 10_001)).toBe(false);
  expect(othersMay(mounted, 0)).toBe(true);
  expect(othersMay({ ...mounted, uid: 10_001 }, 10_001)).toBe(true);
  for (const mode of [0o444, 0o460, 0o640, 0o441]) expect(othersMay({ uid: 0, mode }, 10_001)).toBe(true);
  expect(othersMay({ uid: 10_001, mode: 0o600 }, 10_001)).toBe(false);
});
