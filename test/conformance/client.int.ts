import { describe, expect, test } from "vitest";
import { clientBaselineFor } from "./baseline.ts";
import { authorizationRuns, clientRuns, leftOut } from "./legs.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Driver } from "./run-client.ts";
import { runScenario, runScenarios } from "./run-client.ts";
import { clientScenariosOf, runMsMax } from "./run-suite.ts";
import { asExpected, judge } from "./verdict.ts";

/** What the scenario's server meets: the official client, or the official client through a gateway. */
const driver = (through: "nothing" | "gateway"): Driver => ({
  program: new URL("client/driver.ts", import.meta.url),
  environment: { THROUGH: through },
});

describe.concurrent("a client behind the gateway is, to the suite's servers, as good as without it", () => {
  for (const run of clientRuns)
    test(`${run.suite} suite, ${run.revision}`, { timeout: 3 * runMsMax }, async ({ expect }) => {
      const alone = await runScenarios(run, driver("nothing"));
      const through = await runScenarios(run, driver("gateway"));
      const again = (scenario: string): Promise<Outcomes> => runScenario(run, scenario, driver("gateway"));
      expect(await judge(alone, through, clientBaselineFor(run), again)).toEqual(asExpected);
    });
});

test.each(["stable", "preview"] as const)(
  "every scenario of the %s suite for clients is run, or left out for a reason",
  async (suite) => {
    const listed = await clientScenariosOf(suite);
    expect(listed).toContain("tools_call");
    const known = new Set([
      ...[...clientRuns, ...authorizationRuns].flatMap(({ scenarios }) => scenarios),
      ...Object.keys(leftOut),
    ]);
    expect(listed.filter((scenario) => !known.has(scenario))).toEqual([]);
  },
);
