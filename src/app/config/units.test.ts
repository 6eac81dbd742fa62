import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesText, durationText, parseBytes, parseDuration } from "./units.ts";

describe("units", () => {
  test("are read strictly", () => {
    expect(["500ms", "30s", "5m", "4h", "7d", "0s"].map(parseDuration)).toEqual([
      500, 30_000, 300_000, 14_400_000, 604_800_000, 0,
    ]);
    expect(["1B", "64KiB", "4MiB", "1GiB"].map(parseBytes)).toEqual([1, 65_536, 4_194_304, 1_073_741_824]);
    for (const text of [
      "",
      "30",
      "1.5s",
      " 30s",
      "30 s",
      "-1s",
      "030s",
      "1e3s",
      "30S",
      "9999999999s",
      "1s\n",
    ]) {
      expect(parseDuration(text), text).toBeNull();
    }
    for (const text of ["4MB", "4mb", "4M", "1KB", "1.5MiB", "4096", "MiB"])
      expect(parseBytes(text), text).toBeNull();
  });

  test("are written so that they are read back the same", () => {
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000_000 - 1 }), (n) => {
        expect(parseDuration(durationText(n))).toBe(n);
        expect(parseBytes(bytesText(n))).toBe(n);
      }),
    );
    expect([durationText(3_600_000), bytesText(4_194_304)]).toEqual(["1h", "4MiB"]);
  });
});
