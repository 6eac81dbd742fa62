import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** How a check ended; the suite's own words. */
export type Status = "SUCCESS" | "INFO" | "SKIPPED" | "WARNING" | "FAILURE";

export interface Outcome {
  readonly status: Status;
  /** What the suite says about it; empty for most that succeed. */
  readonly message: string;
}

/** By `<scenario> <id>/<name>` of a check. One that a scenario makes several times counts as its worst time. */
export type Outcomes = ReadonlyMap<string, Outcome>;

const fromBestToWorst: readonly Status[] = ["SUCCESS", "INFO", "SKIPPED", "WARNING", "FAILURE"];

interface Check {
  readonly id: string;
  readonly name: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

export const scenarioOf = (check: string): string => check.split(" ")[0] ?? "";

/** Reads what the suite wrote: a folder per scenario with its checks in it. */
export function outcomesIn(directory: string): Outcomes {
  const outcomes = new Map<string, Outcome>();
  for (const file of globSync("**/checks.json", { cwd: directory })) {
    const scenario = dirname(file)
      .replace(/^server-/, "")
      .replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
    const checks = JSON.parse(readFileSync(join(directory, file), "utf8")) as readonly Check[];
    for (const { id, name, status, errorMessage = "" } of checks) {
      const key = `${scenario} ${id}/${name}`;
      const known = outcomes.get(key);
      if (known === undefined || isWorse(status, known.status))
        outcomes.set(key, { status, message: errorMessage });
    }
  }
  return outcomes;
}

const isWorse = (one: Status, other: Status): boolean =>
  fromBestToWorst.indexOf(one) > fromBestToWorst.indexOf(other);
