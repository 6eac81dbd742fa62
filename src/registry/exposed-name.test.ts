import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exposedNameMax, exposedNameOf, lookalikeKey, serverNamePattern } from "./exposed-name.ts";

describe("the exposed name", () => {
  test("joins server and tool", () => {
    expect(exposedNameOf("files", "read_file")).toBe("files__read_file");
    expect(exposedNameOf(null, "read_file")).toBe("read_file");
  });

  test("ends in a digest of the upstream name when a character had to change", () => {
    expect(exposedNameOf("files", "read.file")).toMatch(/^files__read_file_[0-9a-f]{8}$/);
    expect(exposedNameOf("files", "read.file")).not.toBe(exposedNameOf("files", "read/file"));
    expect(exposedNameOf("s", "日本語😀")).toMatch(/^s_{7}[0-9a-f]{8}$/);
  });

  test("fits exactly when it can, and is cut when it cannot", () => {
    expect(exposedNameOf("files", "x".repeat(57))).toBe(`files__${"x".repeat(57)}`);
    const cut = exposedNameOf("files", "x".repeat(58));
    expect(cut).toHaveLength(exposedNameMax);
    expect(cut).toMatch(/^files__x{48}_[0-9a-f]{8}$/);
  });

  test("is always acceptable to the strictest client, and the same each time", () => {
    const server = fc.stringMatching(/^[a-z0-9](-?[a-z0-9]){0,11}$/);
    fc.assert(
      fc.property(server, fc.string({ unit: "grapheme", minLength: 1, maxLength: 128 }), (server, tool) => {
        expect(serverNamePattern.test(server)).toBe(true);
        const name = exposedNameOf(server, tool);
        expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
        expect(name.startsWith(`${server}__`)).toBe(true);
        expect(exposedNameOf(server, tool)).toBe(name);
      }),
    );
  });
});

describe("look-alikes", () => {
  test.each([
    ["read_file", "Read_File"],
    ["read_file", "ｒｅａｄ_ｆｉｌｅ"],
    ["read_file", "reаd_file"], // Cyrillic а
    ["read_file", "read\u200b_file"],
    ["caf\u00e9", "cafe\u0301"],
    ["office", "oﬃce"],
    ["STRASSE", "straſſe"],
  ])("%s is taken for %s", (a, b) => {
    expect(lookalikeKey(a)).toBe(lookalikeKey(b));
  });

  test.each([
    ["read_file", "read_files"],
    ["read-file", "read_file"],
    ["v1", "vl"],
  ])("%s is told from %s", (a, b) => {
    expect(lookalikeKey(a)).not.toBe(lookalikeKey(b));
  });
});
