import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baselineFor } from "./baseline.ts";
import type { Era } from "./fixture/fixture.ts";
import { eras } from "./fixture/fixture.ts";
import type { Leg } from "./legs.ts";
import { legName } from "./legs.ts";
import { measure, shortcomings } from "./measure.ts";
import type { Outcomes } from "./outcomes.ts";
import { Post } from "./post.ts";
import { runMsMax, runServerScenario, runServerSuite, withoutTasks } from "./run-suite.ts";
import { asExpected, judge } from "./verdict.ts";

/** Every leg may have to wait for those before it at the same gateway, and to run some scenarios again. */
const timeout = 5 * runMsMax;

/** Runs the suite's server side on every leg, and once per revision against the fixture alone, which is the measure. */
export function describeServerSuite(legs: readonly Leg[]): void {
  const posts = new Map<Era, Post>();
  const post = (era: Era): Post => {
    const found = posts.get(era);
    if (found === undefined) throw new Error(`nothing stands for ${era}`);
    return found;
  };
  const measured = new Map<string, Outcomes>();
  const measureOf = ({ suite, revision }: Leg): string => `${suite} suite, ${revision}`;

  beforeAll(async () => {
    for (const era of eras) posts.set(era, await Post.start(era));
  }, timeout);
  afterAll(async () => {
    for (const post of posts.values()) await post.stop();
  }, timeout);

  for (const leg of legs.filter(({ upstream }) => upstream === "both"))
    test(`${measureOf(leg)}: the fixture alone passes`, { timeout }, async () => {
      const outcomes = await measure(leg, post("both").fixture.url);
      measured.set(measureOf(leg), outcomes);
      expect(shortcomings(leg, outcomes)).toEqual([]);
    });

  describe.concurrent("through the gateway nothing is lost", () => {
    for (const leg of legs)
      test(legName(leg), { timeout }, async ({ expect }) => {
        const alone = measured.get(measureOf(leg));
        if (alone === undefined)
          throw new Error("there is nothing to compare with: the fixture was not measured");
        const verdict = await post(leg.upstream).inTurn(() => verdictOn(leg, alone, post(leg.upstream)));
        expect(verdict).toEqual(asExpected);
      });
  });
}

async function verdictOn(leg: Leg, alone: Outcomes, { gateway }: Post): ReturnType<typeof judge> {
  const hasTasks = leg.upstream !== "legacy";
  const through = await runServerSuite(leg, gateway.url, hasTasks);
  const again = (scenario: string): Promise<Outcomes> => runServerScenario(leg, scenario, gateway.url);
  return judge(hasTasks ? alone : withoutTasks(alone), through, baselineFor(leg), again);
}
