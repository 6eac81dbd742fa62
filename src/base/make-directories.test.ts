import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDirectories } from "./make-directories.ts";

describe("making a directory", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "signalbox-directories-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("makes those above it too, for the same people, and one that is there is no failure", () => {
    const deep = join(folder, "a/b/c");
    makeDirectories(deep, 0o700);
    makeDirectories(deep, 0o755);
    for (const path of ["a", "a/b", "a/b/c"]) expect(statSync(join(folder, path)).mode & 0o777).toBe(0o700);
  });

  it("says when a file stands in its place or above it", () => {
    writeFileSync(join(folder, "file"), "");
    expect(() => makeDirectories(join(folder, "file"))).toThrow("EEXIST");
    expect(() => makeDirectories(join(folder, "file/below"))).toThrow("ENOTDIR");
  });

  // Node's own recursive mkdir never comes back from here.
  it.runIf(process.platform === "linux")("gives up where the system makes no directories", () => {
    expect(() => makeDirectories("/proc/signalbox-none/below")).toThrow("ENOENT");
  });
});
