import type { Deviation } from "./compare.ts";
import { deviations } from "./compare.ts";
import type { Outcomes } from "./outcomes.ts";
import { scenarioOf } from "./outcomes.ts";

/** A run on a busy machine can miss one of the suite's own windows of half a second; a real loss shows every time. */
const repeatsMax = 2;

/** More scenarios with a surprise than this, and it is not the machine. */
const surprisesMax = 5;

export interface Verdict {
  /** Losses that the baseline does not know, in the suite's own words. */
  readonly unexpected: readonly string[];
  /** Checks that the baseline gives up and that pass: their entries have to go. */
  readonly passing: readonly string[];
}

/** What a green run looks like. */
export const asExpected: Verdict = { unexpected: [], passing: [] };

/**
 * Holds the outcomes through the gateway against those of the server alone. `given` are the checks that the baseline gives up.
 * A scenario with a surprise in it is run again, and counts as a surprise when it is one each time.
 */
export async function judge(
  alone: Outcomes,
  through: Outcomes,
  given: ReadonlySet<string>,
  again: (scenario: string) => Promise<Outcomes>,
): Promise<Verdict> {
  let lost = deviations(alone, through);
  for (let i = 0; i < repeatsMax; i++) {
    const scenarios = surprising(lost, given);
    if (scenarios.size > surprisesMax) break;
    for (const scenario of scenarios) {
      const repeated = deviations(only(alone, scenario), await again(scenario));
      lost = settled(lost, repeated, scenario, given);
    }
  }
  return {
    unexpected: lost.filter(({ check }) => !given.has(check)).map(({ text }) => text),
    passing: passing(lost, given),
  };
}

function surprising(lost: readonly Deviation[], given: ReadonlySet<string>): ReadonlySet<string> {
  const unexpected = lost.map(({ check }) => check).filter((check) => !given.has(check));
  return new Set([...unexpected, ...passing(lost, given)].map(scenarioOf));
}

function passing(lost: readonly Deviation[], given: ReadonlySet<string>): string[] {
  const seen = new Set(lost.map(({ check }) => check));
  return [...given].filter((check) => !seen.has(check));
}

/** An unexpected loss stays only if it is there again; an expected one counts if it was there once. */
function settled(
  before: readonly Deviation[],
  repeated: readonly Deviation[],
  scenario: string,
  given: ReadonlySet<string>,
): Deviation[] {
  const again = new Set(repeated.map(({ check }) => check));
  const known = new Set(before.map(({ check }) => check));
  return [
    ...before.filter(({ check }) => scenarioOf(check) !== scenario || given.has(check) || again.has(check)),
    ...repeated.filter(({ check }) => given.has(check) && !known.has(check)),
  ];
}

const only = (outcomes: Outcomes, scenario: string): Outcomes =>
  new Map([...outcomes].filter(([check]) => scenarioOf(check) === scenario));
