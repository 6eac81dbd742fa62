import type { Outcome, Outcomes } from "./outcomes.ts";

/** Something that the server alone does and the gateway in front of it does not. */
export interface Deviation {
  /** `<scenario> <id>/<name>`. */
  readonly check: string;
  /** For people: both outcomes, and what the suite says. */
  readonly text: string;
}

/**
 * What the gateway loses: whatever succeeds with the server alone and not through the gateway, and whatever fails or warns only
 * through it. Where the gateway does better than the server, nothing is lost.
 */
export function deviations(alone: Outcomes, through: Outcomes): Deviation[] {
  const checks = new Set([...alone.keys(), ...through.keys()]);
  return [...checks].sort().flatMap((check) => {
    const [one, other] = [alone.get(check), through.get(check)];
    if (!isLost(one, other)) return [];
    const text = `${check}: ${other?.status ?? "not reached"} through the gateway, ${one?.status ?? "absent"} without it. ${other?.message ?? ""}`;
    return [{ check, text: text.trim() }];
  });
}

function isLost(alone: Outcome | undefined, through: Outcome | undefined): boolean {
  if (alone?.status === "SUCCESS") return through?.status !== "SUCCESS";
  const isBad = through?.status === "FAILURE" || through?.status === "WARNING";
  return isBad && through.status !== alone?.status;
}
