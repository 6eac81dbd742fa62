import type {
  CedarValueJson,
  DetailedError,
  EntityJson,
  PolicyJson,
  SchemaJson,
  TypeAndId,
} from "@cedar-policy/cedar-wasm/nodejs";
import type { Result } from "../base/index.ts";
import { explain, ok, refuse } from "../base/index.ts";
import { engine } from "./engine.ts";

/** Everything that is asked of the wasm module. All of it crosses into it as JSON text, and back. */
export type {
  CedarValueJson,
  Clause,
  EntityJson,
  Expr,
  PolicyJson,
  SchemaJson,
  Type,
  TypeAndId,
  TypeOfAttribute,
} from "@cedar-policy/cedar-wasm/nodejs";

export interface CedarProblem {
  readonly message: string;
  readonly help: string | null;
  /** Offset in UTF-8 bytes; null = the module gave none. */
  readonly atByte: number | null;
}

/** Splits a file's text into the exact texts of its policies, in the order of the file. Templates are refused. */
export function splitPolicies(text: string): Result<readonly string[], readonly CedarProblem[]> {
  const answer = guarded((wasm) => wasm.policySetTextToParts(text));
  if (answer.type === "failure") return refuse(answer.errors.flatMap(flatten));
  if (answer.policy_templates.length > 0) {
    return refuse([
      {
        message: "templates (?principal, ?resource) are not supported",
        help: "write the principal or resource out",
        atByte: Buffer.byteLength(text.slice(0, Math.max(0, text.indexOf("?")))),
      },
    ]);
  }
  // The module names policies policy0, policy1, … and answers them sorted by that name as text, policy10 before policy2.
  const order = answer.policies.map((_, place) => place);
  order.sort((a, b) => (`policy${a}` < `policy${b}` ? -1 : 1));
  const texts: string[] = [];
  for (const [at, place] of order.entries()) texts[place] = answer.policies[at] ?? "";
  return ok(texts);
}

export function policyJson(text: string): Result<PolicyJson, readonly CedarProblem[]> {
  const answer = guarded((wasm) => wasm.policyToJson(text));
  return answer.type === "failure" ? refuse(answer.errors.flatMap(flatten)) : ok(answer.json);
}

export interface ValidationFinding {
  readonly policy: string;
  readonly message: string;
  readonly help: string | null;
}

/** Strict validation: errors, and warnings (impossible policies, confusable characters). */
export function validatePolicies(
  schema: SchemaJson<string>,
  policies: Readonly<Record<string, PolicyJson>>,
): Result<
  { readonly errors: readonly ValidationFinding[]; readonly warnings: readonly ValidationFinding[] },
  readonly CedarProblem[]
> {
  const answer = guarded((wasm) =>
    wasm.validate({ validationSettings: { mode: "strict" }, schema, policies: { staticPolicies: policies } }),
  );
  if (answer.type === "failure") return refuse(answer.errors.flatMap(flatten));
  const finding = (found: { policyId: string; error: DetailedError }): ValidationFinding => ({
    policy: found.policyId,
    message: found.error.message,
    help: found.error.help,
  });
  return ok({
    errors: answer.validationErrors.map(finding),
    warnings: answer.validationWarnings.map(finding),
  });
}

/** Puts a set into the module's own table under `name`, replacing what was there. */
export function preparse(
  name: string,
  policies: Readonly<Record<string, PolicyJson>>,
): Result<void, readonly CedarProblem[]> {
  const answer = guarded((wasm) => wasm.preparsePolicySet(name, { staticPolicies: policies }));
  return answer.type === "failure" ? refuse(answer.errors.flatMap(flatten)) : ok(undefined);
}

export interface CedarQuestion {
  readonly principal: TypeAndId;
  readonly action: TypeAndId;
  readonly resource: TypeAndId;
  readonly context: Record<string, CedarValueJson>;
  readonly entities: EntityJson[];
}

export interface CedarAnswer {
  readonly satisfied: readonly string[];
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Asks the preparsed set `name`. A refusal means the question itself could not be asked. */
export function ask(name: string, question: CedarQuestion): Result<CedarAnswer, readonly CedarProblem[]> {
  const answer = guarded((wasm) =>
    wasm.statefulIsAuthorized({
      principal: question.principal,
      action: question.action,
      resource: question.resource,
      context: question.context,
      entities: question.entities,
      preparsedPolicySetId: name,
      validateRequest: false,
    }),
  );
  if (answer.type === "failure") return refuse(answer.errors.flatMap(flatten));
  const { reason, errors } = answer.response.diagnostics;
  return ok({
    satisfied: reason,
    errors: errors.map((failed) => ({ policy: failed.policyId, message: failed.error.message })),
  });
}

/** A throw out of the module (it should answer, but it is foreign code) becomes an answer of the failure kind. */
function guarded<T extends { readonly type: string }>(
  run: (wasm: typeof engine.module) => T,
): T | { readonly type: "failure"; readonly errors: DetailedError[] } {
  try {
    return engine.run(run);
  } catch (thrown) {
    const said = explain(thrown);
    // The module reads JSON at most 128 deep, and an operator takes two or three of that.
    const tooDeep = said.startsWith("recursion limit exceeded");
    const message = tooDeep
      ? "it is nested too deeply for the policy engine"
      : `the policy engine failed: ${said}`;
    const help = tooDeep ? "about 50 operators in a row are possible; write several policies" : null;
    return { type: "failure", errors: [{ message, help, code: null, url: null, severity: null }] };
  }
}

function flatten(error: DetailedError): readonly CedarProblem[] {
  const location = error.sourceLocations?.[0];
  const label = location?.label ?? null;
  const own: CedarProblem = {
    message: error.message,
    help: error.help ?? label,
    atByte: location?.start ?? null,
  };
  return [own, ...(error.related ?? []).flatMap(flatten)];
}
