import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { ApprovalRule, EscalationStep } from "./decision.ts";
import { nearest } from "./nearest.ts";

/** What `@approve("group=finance quorum=2 expiry=4h self=false escalate=managers:1h")` says, without the policy it stands on. */
export type ApprovalTerms = Omit<ApprovalRule, "policyId">;

export interface AnnotationProblem {
  readonly message: string;
  readonly hint: string | null;
}

/** More approvers than this is a meeting, not an approval. */
const quorumMax = 20;
/** An approval that waits longer than a month decides about a world that is gone. */
const expiryMsMax = 30 * 24 * 3_600_000;
const expiryMsMin = 1_000;
/** A working day, so that a request made in the evening is seen the next morning. */
const expiryMsDefault = 24 * 3_600_000;
/** The same as role names of `identity`. */
const groupPattern = /^[A-Za-z0-9._@-]{1,64}$/;
const durationPattern = /^(\d{1,9})(ms|s|m|h|d)$/;
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Each step asks more people; after five everybody has been asked. */
const escalationStepsMax = 5;
/** What a person can look at and remember. */
const endorsedMax = 5;
/** RFC 6901, without spaces and commas, which separate here. */
const pointerPattern = /^(?:\/[^/,\s]{1,128}){1,8}$/;
const keys = ["group", "quorum", "expiry", "self", "escalate", "endorse"] as const;

/** Only `group` has to be given: quorum is 1, expiry 24h, self as the node's mode has it, and nobody else is asked unless it is said. */
export function parseApproval(text: string): Result<ApprovalTerms, readonly AnnotationProblem[]> {
  const problems: AnnotationProblem[] = [];
  const said = new Map<string, string>();
  for (const part of text.split(" ").filter((piece) => piece !== "")) {
    const equals = part.indexOf("=");
    const key = equals === -1 ? part : part.slice(0, equals);
    if (equals === -1) problems.push({ message: `@approve: "${part}" is not key=value`, hint: null });
    else if (!keys.some((known) => known === key)) problems.push(unknownKey(key));
    else if (said.has(key)) problems.push({ message: `@approve: ${key} is said twice`, hint: null });
    else said.set(key, part.slice(equals + 1));
  }
  const group = said.get("group") ?? null;
  if (group === null && problems.length === 0) {
    problems.push({ message: "@approve does not name a group", hint: 'e.g. @approve("group=finance")' });
  } else if (group !== null && !groupPattern.test(group)) {
    problems.push({ message: `@approve: group "${group}" is not 1-64 of A-Z a-z 0-9 . _ @ -`, hint: null });
  }
  const quorum = parseQuorum(said.get("quorum"), problems);
  const expiryMs = parseExpiry(said.get("expiry"), problems);
  const self = parseSelf(said.get("self"), problems);
  const escalation = parseEscalation(said.get("escalate"), expiryMs, problems);
  const endorse = parseEndorsed(said.get("endorse"), problems);
  if (problems.length > 0 || group === null) return refuse(problems);
  return ok({ group, quorum, expiryMs, self, escalation, endorse });
}

function unknownKey(key: string): AnnotationProblem {
  const close = nearest(key, keys);
  return {
    message: `@approve: there is no "${key}"`,
    hint: close === null ? `known: ${keys.join(", ")}` : `did you mean ${close}?`,
  };
}

function parseQuorum(text: string | undefined, problems: AnnotationProblem[]): number {
  if (text === undefined) return 1;
  const quorum = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (quorum < 1 || quorum > quorumMax) {
    problems.push({
      message: `@approve: quorum "${text}" is not a whole number from 1 to ${quorumMax}`,
      hint: null,
    });
  }
  return quorum;
}

function parseExpiry(text: string | undefined, problems: AnnotationProblem[]): number {
  if (text === undefined) return expiryMsDefault;
  const ms = durationMs(text);
  if (Number.isNaN(ms)) {
    problems.push({ message: `@approve: expiry "${text}" is not a duration`, hint: "e.g. 30m, 4h, 2d" });
  } else if (ms < expiryMsMin || ms > expiryMsMax) {
    problems.push({ message: `@approve: expiry "${text}" is not between 1s and 30d`, hint: null });
  }
  return ms;
}

function parseSelf(text: string | undefined, problems: AnnotationProblem[]): boolean | null {
  if (text === undefined) return null;
  if (text !== "true" && text !== "false") {
    problems.push({ message: `@approve: self "${text}" is neither true nor false`, hint: null });
  }
  return text === "true";
}

/** `managers:1h,directors:3h`: each later than the one before, and while the request still stands. */
function parseEscalation(
  text: string | undefined,
  expiryMs: number,
  problems: AnnotationProblem[],
): readonly EscalationStep[] {
  if (text === undefined) return [];
  const steps = text.split(",").map((part) => {
    const colon = part.lastIndexOf(":");
    return { group: part.slice(0, Math.max(0, colon)), afterMs: durationMs(part.slice(colon + 1)) };
  });
  const isInOrder = steps.every(({ afterMs }, i) => afterMs > (steps[i - 1]?.afterMs ?? 0));
  if (!steps.every(({ group, afterMs }) => groupPattern.test(group) && !Number.isNaN(afterMs))) {
    problems.push({
      message: `@approve: escalate "${text}" is not a list of group:duration`,
      hint: "e.g. escalate=managers:1h,directors:3h",
    });
  } else if (!isInOrder || steps.length > escalationStepsMax || (steps.at(-1)?.afterMs ?? 0) >= expiryMs) {
    problems.push({
      message: `@approve: the steps of escalate "${text}" are not at most ${escalationStepsMax}, each later than the one before, all before the request expires`,
      hint: null,
    });
  }
  return steps;
}

function parseEndorsed(text: string | undefined, problems: AnnotationProblem[]): readonly string[] {
  if (text === undefined) return [];
  const places = [...new Set(text.split(","))];
  if (!places.every((place) => pointerPattern.test(place)) || places.length > endorsedMax) {
    problems.push({
      message: `@approve: endorse "${text}" is not a list of at most ${endorsedMax} JSON pointers into the arguments`,
      hint: "e.g. endorse=/iban,/currency",
    });
  }
  return places.toSorted();
}

function durationMs(text: string): number {
  const match = durationPattern.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * (unitMs[match[2] ?? ""] ?? Number.NaN);
}
