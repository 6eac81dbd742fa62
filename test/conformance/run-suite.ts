import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Leg, Suite } from "./legs.ts";
import type { Outcomes } from "./outcomes.ts";
import { outcomesIn } from "./outcomes.ts";
import { childEnvironment } from "../fixtures/child-environment.ts";

/** A whole run takes some ten seconds; this is for machines that do nothing else well either. */
export const runMsMax = 200_000;

/** The suite's own limit for one scenario; only the preview lets us set it, the other has 30 s. */
const scenarioMs = "30000";

/** Scenarios of an extension that the list of a revision leaves out, and that the stable suite does not have. */
const skillScenarios = [
  "sep-2640-skills-directory",
  "sep-2640-skills-enumeration",
  "sep-2640-skills-manifest",
];

/** Kept of what a suite prints: enough for a driver's last words, which stand before the list of checks. */
const saidCharsMax = 50_000;

type Run = Pick<Leg, "suite" | "revision">;

/** Everything that the suite demands of such a server for one revision. A legacy server has no tasks: they came with 2026. */
export async function runServerSuite(run: Run, url: string, hasTasks: boolean): Promise<Outcomes> {
  const all = ["--suite", "all", "--spec-version", run.revision];
  const isListed = run.revision === "2026-07-28" && hasTasks;
  const chosen = isListed ? ["--requirements", run.revision] : all;
  const outcomes = new Map(await runServer(run.suite, chosen, url));
  for (const scenario of run.suite === "preview" ? skillScenarios : [])
    for (const [check, outcome] of await runServerScenario(run, scenario, url)) outcomes.set(check, outcome);
  return outcomes;
}

export const withoutTasks = (outcomes: Outcomes): Outcomes =>
  new Map([...outcomes].filter(([check]) => !check.startsWith("tasks-")));

/** One scenario alone, with nothing beside it. */
export function runServerScenario(
  { suite, revision }: Run,
  scenario: string,
  url: string,
): Promise<Outcomes> {
  const force = suite === "preview" ? ["--force"] : [];
  return runServer(suite, ["--scenario", scenario, "--spec-version", revision, ...force], url);
}

async function runServer(suite: Suite, args: readonly string[], url: string): Promise<Outcomes> {
  const timeout = suite === "preview" ? ["--timeout", scenarioMs] : [];
  return (await runSuite(suite, ["server", "--url", url, ...timeout, ...args], {})).outcomes;
}

export interface Ran {
  readonly outcomes: Outcomes;
  /** The last of what it printed. */
  readonly said: string;
}

/** Runs one command of a suite. It ends with an error whenever a check fails, so only what it wrote counts. */
export async function runSuite(
  suite: Suite,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Ran> {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-conformance-"));
  try {
    const said = await commanded(suite, [...args, "-o", directory], environment);
    const outcomes = outcomesIn(directory);
    if (outcomes.size === 0) throw new Error(`the suite checked nothing: ${said}`);
    return { outcomes, said };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Scenarios in which the suite is the server, as it lists them itself. */
export async function clientScenariosOf(suite: Suite): Promise<readonly string[]> {
  const said = await commanded(suite, ["list", "--client"], {});
  return [...said.matchAll(/^ {2}- (\S+) \[/gm)].map(([, name = ""]) => name);
}

const require = createRequire(import.meta.url);

/** Where the command of each suite stands. */
const programs: Readonly<Record<Suite, string>> = {
  stable: join(dirname(require.resolve("conformance-stable/package.json")), "dist/index.js"),
  preview: join(dirname(require.resolve("conformance-preview/package.json")), "dist/index.js"),
};

function commanded(
  suite: Suite,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      env: { ...childEnvironment(), HOME: tmpdir(), ...environment },
      timeout: runMsMax,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024 * 1024,
    } as const;
    execFile(process.execPath, [programs[suite], ...args], options, (error, stdout, stderr) =>
      resolve(`${error?.message ?? ""}\n${stdout.slice(-saidCharsMax)}\n${stderr.slice(-saidCharsMax)}`),
    );
  });
}
