import { describe, expect, test } from "vitest";
import { deviations } from "./compare.ts";
import type { Outcomes, Status } from "./outcomes.ts";
import { asExpected, judge } from "./verdict.ts";

const outcomes = (checks: Readonly<Record<string, Status>>, message = ""): Outcomes =>
  new Map(Object.entries(checks).map(([check, status]) => [check, { status, message }]));

const nothing = new Set<string>();
const never = (): Promise<Outcomes> => Promise.reject(new Error("nothing has to be run again"));

describe("the gateway deviates", () => {
  test("when what succeeds alone does not succeed through it, is left out, or is not reached", () => {
    const alone = outcomes({
      "a 1/A": "SUCCESS",
      "a 2/B": "SUCCESS",
      "a 3/C": "SUCCESS",
      "a 4/D": "SUCCESS",
    });
    const through = outcomes({ "a 1/A": "FAILURE", "a 2/B": "INFO", "a 4/D": "SUCCESS" }, "it did not");
    expect(deviations(alone, through)).toEqual([
      { check: "a 1/A", text: "a 1/A: FAILURE through the gateway, SUCCESS without it. it did not" },
      { check: "a 2/B", text: "a 2/B: INFO through the gateway, SUCCESS without it. it did not" },
      { check: "a 3/C", text: "a 3/C: not reached through the gateway, SUCCESS without it." },
    ]);
  });

  test("when it fails where nothing was checked alone, and not when it does as badly or better", () => {
    const alone = outcomes({ "a 1/A": "WARNING", "a 2/B": "SKIPPED" });
    const through = outcomes({ "a 1/A": "WARNING", "a 2/B": "SUCCESS", "a 3/C": "FAILURE", "a 4/D": "INFO" });
    expect(deviations(alone, through).map(({ check }) => check)).toEqual(["a 3/C"]);
  });
});

describe("a run is judged", () => {
  const alone = outcomes({ "a 1/A": "SUCCESS", "b 1/B": "SUCCESS" });
  const lost = outcomes({ "a 1/A": "FAILURE", "b 1/B": "SUCCESS" }, "no such method");

  test("as expected when nothing is lost, or only what the baseline gives up", async () => {
    expect(await judge(alone, alone, nothing, never)).toEqual(asExpected);
    expect(await judge(alone, lost, new Set(["a 1/A"]), never)).toEqual(asExpected);
  });

  test("by what is lost each time, with the suite's own words", async () => {
    const { unexpected } = await judge(alone, lost, nothing, () => Promise.resolve(lost));
    expect(unexpected).toEqual(["a 1/A: FAILURE through the gateway, SUCCESS without it. no such method"]);
    expect(await judge(alone, lost, nothing, () => Promise.resolve(alone))).toEqual(asExpected);
  });

  test("by entries of the baseline that pass, each time", async () => {
    const given = new Set(["b 1/B"]);
    expect(await judge(alone, alone, given, () => Promise.resolve(alone))).toEqual({
      unexpected: [],
      passing: ["b 1/B"],
    });
    const again = outcomes({ "b 1/B": "FAILURE" });
    expect(await judge(alone, alone, given, () => Promise.resolve(again))).toEqual(asExpected);
  });
});
