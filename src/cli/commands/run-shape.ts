import type { Colour } from "../paint.ts";
import { colourOfState } from "../paint.ts";
import { instantText } from "../show.ts";
import type { Column } from "../table.ts";
import type { Outcome } from "./entry.ts";
import { outcomeText } from "./entry.ts";

export const runStates = ["open", "review", "finished", "failed", "cancelled", "dead"] as const;

/** As `/runs` answers. */
export interface Run {
  readonly run: string;
  readonly name: string;
  readonly principals: readonly string[];
  readonly state: (typeof runStates)[number];
  readonly attempt: number;
  readonly isAlive: boolean;
  readonly hook: string | null;
  readonly isOrphan: boolean;
  readonly starts: number;
  readonly losses: number;
  readonly deadReason: "starts-used-up" | "retries-used-up" | "start-refused" | null;
  readonly dropLeftMs: number | null;
  readonly waitsFor: readonly RunWait[];
  readonly parent: { readonly run: string; readonly step: string } | null;
  readonly children: number;
  readonly tokens: { readonly used: number; readonly max: number | null };
  readonly createdAt: string;
  readonly deadlineLeftMs: number | null;
  readonly endedAt: string | null;
  readonly endEntry: string | null;
}

interface RunWait {
  readonly kind: "timer" | "signal" | "approval" | "child";
  readonly step: string;
  readonly signal: string | null;
  readonly approval: string | null;
  readonly child: string | null;
  readonly groups: readonly string[];
  readonly reason: string | null;
  readonly answers: readonly string[];
  readonly leftMs: number | null;
}

/** As `/runs/{run}/steps` answers. */
export interface RunStep {
  readonly step: string;
  readonly call: string;
  readonly method: string | null;
  readonly tool: string | null;
  readonly state: "open" | "final" | "released";
  readonly outcome: Outcome | null;
  readonly at: string | null;
  readonly entry: string | null;
}

/** Why a run is dead, in few words. */
export function deadText({ deadReason, hook }: Pick<Run, "deadReason" | "hook">): string {
  switch (deadReason) {
    case "starts-used-up":
      return "started too often without getting on";
    case "retries-used-up":
      return "lost too often";
    case "start-refused":
      return `${hook ?? ""} refuses to start it`;
    case null:
      return "";
  }
}

export function waitText({
  kind,
  signal,
  approval,
  child,
  groups,
  reason,
  answers,
  leftMs,
}: RunWait): string {
  const atMost = leftMs === null ? "" : `, ${inWords(leftMs)} at most`;
  switch (kind) {
    case "timer":
      return `sleeps ${inWords(leftMs ?? 0)} more`;
    case "signal":
      return reason === null
        ? `waits for "${signal ?? ""}"${atMost}`
        : `waits for a person to signal "${signal ?? ""}" (${answers.join(", ")})${atMost}: ${reason}`;
    case "approval":
      return `waits for ${groups.join(" and ")} to decide ${approval ?? ""}${atMost}`;
    case "child":
      return `waits for its run "${child ?? ""}"${atMost}`;
  }
}

/** Of a length of time, what a person wants to know. */
export function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** What kind of thing a step is: a tool's name, or what the agent did itself. */
export const stepText = ({ tool, method }: RunStep): string => tool ?? method?.replace("steps/", "") ?? "";

/** How it stands: of a call its outcome, else whether it is on record. */
export const stepStateText = ({ state, outcome }: RunStep): string =>
  outcome !== null
    ? outcomeText(outcome)
    : state === "final"
      ? "recorded"
      : state === "open"
        ? "under way"
        : state;

const stepColour = (step: RunStep): Colour =>
  colourOfState(step.outcome?.kind ?? (step.state === "open" ? "waiting" : ""));

export const stepColumns: readonly Column<RunStep>[] = [
  { title: "at", of: (step) => instantText(step.at) },
  { title: "step", of: (step) => step.step },
  { title: "what", of: stepText },
  { title: "state", of: stepStateText, colour: stepColour },
  { title: "entry", of: (step) => step.entry, keep: true },
];
