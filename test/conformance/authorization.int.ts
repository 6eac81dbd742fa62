import { describe, test } from "vitest";
import { clientBaselineFor } from "./baseline.ts";
import type { ClientRun } from "./legs.ts";
import { authorizationScenarios } from "./legs.ts";
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
  for (let lane = 0; lane < lanes; lane++) {
    const scenarios = authorizationScenarios.filter((_, index) => index % lanes === lane);
    const run: ClientRun = { suite: "preview", revision: "2026-07-28", scenarios };
    test(scenarios.join(", "), { timeout: 3 * runMsMax }, async ({ expect }) => {
      const outcomes = await runScenarios(run, driver);
      const again = (scenario: string): Promise<Outcomes> => runScenario(run, scenario, driver);
      expect(await judge(alone, outcomes, clientBaselineFor(run), again)).toEqual(asExpected);
    });
  }
});
