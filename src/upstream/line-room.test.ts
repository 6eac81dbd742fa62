import { describe, expect, it } from "vitest";
import type { MonotonicMs } from "../base/index.ts";
import { ManualClock, plusMs } from "../base/index.ts";
import { roomFor } from "./line-room.ts";

const start = new ManualClock().monotonic();
const limits = { profilesMax: 2, callersMax: 2, keepMs: 100 };

interface Line {
  readonly profile: { readonly key: string };
  readonly usedAt: MonotonicMs;
  readonly isBusy: boolean;
}

const line = (key: string, ms: number, isBusy = false): Line => ({
  profile: { key },
  usedAt: plusMs(start, ms),
  isBusy,
});
const room = (lines: readonly Line[], key: string, over: Partial<typeof limits> = {}, nowMs = 1_000) =>
  roomFor(lines, key, ({ isBusy }) => !isBusy, plusMs(start, nowMs), { ...limits, ...over });

describe("room for one more connection", () => {
  it("is there below the bounds, which are counted apart", () => {
    expect(room([], "a")).toEqual([]);
    expect(room([line("a", 1), line("a", 2)], "a")).toEqual([]);
    expect(room([line("a", 1, true), line("a", 2, true), line("a", 3, true)], "b")).toEqual([]);
  });

  it("for another set of capabilities is made by the set that was used least recently, as a whole", () => {
    const [a1, a2, b] = [line("a", 1), line("a", 9), line("b", 5)];
    expect(room([a1, a2, b], "c")).toEqual([b]);
    expect(room([a1, a2, line("b", 5, true)], "c")).toEqual([a1, a2]);
    expect(room([a1, line("a", 9, true), line("b", 5, true)], "c")).toBeNull();
  });

  it("for another caller is made by a further connection that was unused for a while", () => {
    const [a1, a2, a3, b] = [line("a", 4), line("a", 3), line("a", 2, true), line("b", 1)];
    expect(room([b, a1, a2, a3], "a")).toEqual([a2]);
    expect(room([b, a1, a2, a3], "b")).toEqual([a2]);
    expect(room([b, a1, a2, a3], "a", {}, 102)).toBeNull();
  });

  it("for another caller is not there where each set has one connection", () => {
    expect(room([line("a", 1), line("b", 1)], "a", { callersMax: 0 })).toBeNull();
    expect(room([], "a", { callersMax: 0 })).toEqual([]);
  });
});
