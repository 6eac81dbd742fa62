import { fileURLToPath } from "node:url";
import type { ClientRun } from "./legs.ts";
import type { Outcome, Outcomes } from "./outcomes.ts";
import { runSuite } from "./run-suite.ts";

/** A scenario with a node of its own in it, on a machine that does nothing else well either. */
const scenarioMs = 90_000;

/** Of a driver's last words: its error and the first lines of the stack. */
const messageCharsMax = 1_500;

/** A program, and what it is told beside what the suite tells it. */
export interface Driver {
  readonly program: URL;
  readonly environment: Readonly<Record<string, string>>;
}

/** One after the other: each has a node of its own, and some of them look at the clock. */
export async function runScenarios(run: ClientRun, driver: Driver): Promise<Outcomes> {
  const checks: (readonly [string, Outcome])[] = [];
  for (const scenario of run.scenarios) checks.push(...(await runScenario(run, scenario, driver)));
  return new Map(checks);
}

/** The suite starts a server, and then the driver with the server's address. A driver that fails is a check that fails. */
export async function runScenario(
  { suite, revision }: ClientRun,
  scenario: string,
  { program, environment }: Driver,
): Promise<Outcomes> {
  const command = [process.execPath, fileURLToPath(program)].map((part) => JSON.stringify(part)).join(" ");
  const args = ["client", "--command", command, "--scenario", scenario, "--timeout", String(scenarioMs)];
  // The stable suite has no revisions to choose from on this side, and the preview wants to be told that an extension has none.
  const chosen = suite === "preview" ? ["--spec-version", revision, "--force"] : [];
  const { outcomes, said } = await runSuite(suite, [...args, ...chosen], environment);
  const end = /Client (?:exited with code|timed out)[^]*/.exec(said);
  if (end === null) return outcomes;
  return new Map([
    ...outcomes,
    [`${scenario} driver/Ended`, { status: "FAILURE", message: end[0].slice(0, messageCharsMax) }],
  ]);
}
