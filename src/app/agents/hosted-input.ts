import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import { compileSchema } from "../../calls/index.ts";

/** What a hosted agent's runs are given, as the configuration says. */
export interface InputSettings {
  /** Members that an input gets where it has none of the name. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** A JSON Schema; null = anything. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}

/** null = the schema can be used. */
export function schemaProblem({ schema }: InputSettings): string | null {
  const compiled = schema === null ? null : compileSchema(schema, "input");
  return typeof compiled === "string" ? compiled : null;
}

/** Completes and checks inputs; compiled once. */
export function inputCheck({ defaults, schema }: InputSettings): (input: unknown) => Result<unknown> {
  const fits = schema === null ? null : compileSchema(schema, "input");
  return (input) => {
    const whole = completed(input, defaults);
    const problem = typeof fits === "function" ? fits(whole) : fits;
    return problem === null ? ok(whole) : refuse({ code: "invalid-params", detail: problem });
  };
}

/** No input at all is completed as an empty one; what is no object is left as it is, for the schema to say. */
function completed(input: unknown, defaults: InputSettings["defaults"]): unknown {
  if (Object.keys(defaults).length === 0) return input;
  if (input === null) return defaults;
  if (typeof input !== "object" || Array.isArray(input)) return input;
  return { ...defaults, ...input };
}
