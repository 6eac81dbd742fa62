import { warnedAlone } from "./baseline.ts";
import type { Leg } from "./legs.ts";
import type { Outcomes } from "./outcomes.ts";
import { scenarioOf } from "./outcomes.ts";
import { runServerScenario, runServerSuite } from "./run-suite.ts";

/** As for the gateway: a busy machine can miss one of the suite's windows, but not each time. */
const repeatsMax = 2;

/** What the fixture does alone. Scenarios that it does not pass are run again, and count as they end. */
export async function measure(run: Pick<Leg, "suite" | "revision">, url: string): Promise<Outcomes> {
  const outcomes = new Map(await runServerSuite(run, url, true));
  for (let i = 0; i < repeatsMax; i++) {
    const scenarios = new Set(shortcomings(run, outcomes).map(scenarioOf));
    for (const scenario of scenarios) {
      for (const check of outcomes.keys()) if (scenarioOf(check) === scenario) outcomes.delete(check);
      for (const [check, outcome] of await runServerScenario(run, scenario, url))
        outcomes.set(check, outcome);
    }
  }
  return outcomes;
}

/** Checks that the fixture alone does not pass, other than the few that it cannot. */
export function shortcomings({ suite }: Pick<Leg, "suite">, outcomes: Outcomes): string[] {
  return [...outcomes].flatMap(([check, { status }]) => {
    const isExcused = suite === "stable" && status === "WARNING" && warnedAlone.has(check);
    return (status === "FAILURE" || status === "WARNING") && !isExcused ? [check] : [];
  });
}
