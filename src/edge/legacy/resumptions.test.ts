import { beforeEach, describe, expect, test } from "vitest";
import { ManualClock, seededRandom } from "../../base/index.ts";
import { keptCharsMax, Resumptions } from "./resumptions.ts";

let clock: ManualClock;
let resumptions: Resumptions;
beforeEach(() => {
  clock = new ManualClock();
  resumptions = new Resumptions({ clock, random: seededRandom(1) });
});

const reply = { resume: () => undefined };
const answered = (text: string, session = "a"): string => {
  const name = resumptions.begin(session, reply);
  resumptions.keep(name, text);
  return name;
};

describe("what a client can come back for", () => {
  test("is a call that goes on, and then its answer, in its own session only", () => {
    const name = resumptions.begin("a", reply);
    expect([resumptions.find("a", name), resumptions.find("b", name)]).toEqual([reply, null]);
    resumptions.keep(name, "{}");
    expect([resumptions.find("a", name), resumptions.find("b", name)]).toEqual(["{}", null]);
    expect(resumptions.find("a", "another")).toBeNull();
  });

  test("is nothing of a call that was withdrawn", () => {
    const name = resumptions.begin("a", reply);
    resumptions.drop(name);
    resumptions.keep(name, "{}");
    expect(resumptions.find("a", name)).toBeNull();
    expect(resumptions.size).toEqual({ open: 0, kept: 0 });
  });

  test("is an answer for a minute", () => {
    const first = answered("1");
    clock.advance(50_000);
    const second = answered("2");
    clock.advance(20_000);
    expect([resumptions.find("a", first), resumptions.find("a", second)]).toEqual([null, "2"]);
    clock.advance(120_000);
    expect(resumptions.size).toEqual({ open: 0, kept: 0 });
  });

  test("is never more than a node can keep: the oldest answer makes room", () => {
    const half = "x".repeat(keptCharsMax / 2 - 1_000);
    const names = [answered(half), answered(half), answered(half)];
    expect(names.map((name) => resumptions.find("a", name) !== null)).toEqual([false, true, true]);
    answered("x".repeat(keptCharsMax));
    expect(resumptions.size.kept).toBe(0);
  });

  test("is nothing once the node stops", () => {
    const name = answered("{}");
    resumptions.stop();
    expect(resumptions.find("a", name)).toBeNull();
  });
});
