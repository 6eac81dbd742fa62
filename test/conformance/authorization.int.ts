import { describe, test } from "vitest";
import { clientBaselineFor } from "./baseline.ts";
import type { ClientRun } from "./legs.ts";
import { authorizationRuns } from "./legs.ts";
import type { Outcomes } from "./outcomes.ts";
import { runScenario, runScenarios } from "./run-client.ts";
import { runMsMax } from "./run-suite.ts";
import { asExpected, judge } from "./verdict.ts";

/** Scenarios that go side by side. */
const lanes = 3;

const driver = { program: new URL("client/authorized-driver.ts", import.meta.url), environment: {} };

/** The gateway is the client here, so there is nothing to compare it with: whatever fails or warns counts. */
const alone: Outcomes = new Map();

describe.concurrent("the gateway gets its own tokens as the suite's authorization servers demand", () => {
  for (const run of authorizationRuns.flatMap(inLanes))
    test(`${run.revision}: ${run.scenarios.join(", ")}`, { timeout: 3 * runMsMax }, async ({ expect }) => {
      const outcomes = await runScenarios(run, driver);
      const again = (scenario: string): Promise<Outcomes> => runScenario(run, scenario, driver);
      expect(await judge(alone, outcomes, clientBaselineFor(run), again)).toEqual(asExpected);
    });
});

function inLanes(run: ClientRun): readonly ClientRun[] {
  const width = Math.min(lanes, Math.ceil(run.scenarios.length / 4));
  return Array.from({ length: width }, (_, lane) => ({
    ...run,
    scenarios: run.scenarios.filter((_each, index) => index % width === lane),
  }));
}
