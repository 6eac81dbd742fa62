import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import { keyFileName, ownKeyFile, readKeyFile } from "./key-file.ts";

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
