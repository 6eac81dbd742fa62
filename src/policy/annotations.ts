import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { AnnotationProblem, ApprovalTerms } from "./approval-annotation.ts";
import { parseApproval } from "./approval-annotation.ts";
import type { PolicyJson } from "./cedar.ts";
import { nearest } from "./nearest.ts";

export interface PolicyAnnotations {
  /** null = the policy is named by its place. */
  readonly id: string | null;
  readonly approval: ApprovalTerms | null;
  /** For people: `@description("…")`. */
  readonly description: string | null;
  readonly obligations: readonly (readonly [name: string, value: string])[];
}

const idPattern = /^[A-Za-z0-9._:/#@-]{1,128}$/;

/**
 * `@id`, `@approve` and `@description` are ours; every other annotation of a permit is an obligation for the rooms that carry
 * decisions out. `obligationNames` null = any name is one that is not nearly one of ours: `@aprove` that is read over asks nobody. On a forbid there is nothing to oblige, so others are refused there.
 */
export function readAnnotations(
  policy: PolicyJson,
  obligationNames: readonly string[] | null,
): Result<PolicyAnnotations, readonly AnnotationProblem[]> {
  const problems: AnnotationProblem[] = [];
  let id: string | null = null;
  let approval: ApprovalTerms | null = null;
  let description: string | null = null;
  const obligations: [string, string][] = [];
  for (const [name, given] of Object.entries(policy.annotations ?? {})) {
    const orNull: string | null = given; // the module's types don't say it: `@name` without a value is null
    const value = orNull ?? "";
    if (name === "id") {
      id = value;
      if (!idPattern.test(value)) {
        problems.push({
          message: `@id "${value.slice(0, 140)}" is not 1-128 of A-Z a-z 0-9 . _ : / # @ -`,
          hint: null,
        });
      }
    } else if (name === "description") {
      description = value;
    } else if (name === "approve") {
      const parsed = parseApproval(value);
      if (policy.effect === "permit") {
        problems.push({
          message: "@approve stands on a permit",
          hint: "approval narrows what is permitted: write a forbid with @approve, beside a permit",
        });
      } else if (parsed.ok) approval = parsed.value;
      else problems.push(...parsed.refusal);
    } else {
      const problem = obligationProblem(policy, name, obligationNames);
      if (problem === null) obligations.push([name, value]);
      else problems.push(problem);
    }
  }
  return problems.length > 0 ? refuse(problems) : ok({ id, approval, description, obligations });
}

function obligationProblem(
  policy: PolicyJson,
  name: string,
  known: readonly string[] | null,
): AnnotationProblem | null {
  const ours = ["id", "approve", "description"];
  if (policy.effect === "forbid") {
    const close = nearest(name, ours);
    return {
      message: `a forbid has no use for @${name}`,
      hint: close === null ? "obligations stand on permits" : `did you mean @${close}?`,
    };
  }
  if (known?.includes(name) === true) return null;
  const close = nearest(name, [...ours, ...(known ?? [])]);
  if (known === null && close === null) return null;
  return {
    message: `there is no annotation @${name}`,
    hint:
      close === null
        ? `known: ${[...ours, ...(known ?? [])].map((each) => `@${each}`).join(" ")}`
        : `did you mean @${close}?`,
  };
}
