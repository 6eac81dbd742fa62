import type { ErrorObject, ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Refusal } from "../../contract/index.ts";
import type { Schema } from "./schema.ts";

/** Our own schemas, so any mistake in one is a bug: strict, and compiled when first needed (about 2 ms each). */
const ajv = new Ajv2020({
  strict: true,
  strictTypes: false, // `type: ["string", "null"]` is how we say that something may be absent
  allowUnionTypes: true,
  allErrors: false,
  validateFormats: false,
  verbose: true,
  logger: false,
});

const compiled = new WeakMap<Schema, ValidateFunction>();

/** null = it fits; otherwise a refusal that names the field. `whole` is what the value is called, e.g. "body". */
export function misfit(schema: Schema, value: unknown, whole: string): Refusal | null {
  let validate = compiled.get(schema);
  if (validate === undefined) compiled.set(schema, (validate = ajv.compile(schema)));
  if (validate(value)) return null;
  // With the first error of a branch of `oneOf` comes that of the `oneOf` itself, last: the outer one names the choice.
  const error = validate.errors?.findLast((each) => each.keyword === "oneOf") ?? validate.errors?.[0];
  return { code: "invalid-params", detail: describe(error, whole) };
}

const fieldCharactersMax = 120;

function describe(error: ErrorObject | undefined, whole: string): string {
  if (error === undefined) return `The ${whole} does not fit its schema.`;
  const path = error.instancePath.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
  const field = (name: unknown) =>
    JSON.stringify(`${path === "" ? "" : `${path}.`}${String(name)}`.slice(0, fieldCharactersMax));
  const here = path === "" ? `The ${whole}` : JSON.stringify(path.slice(0, fieldCharactersMax));
  const params = error.params as Readonly<Record<string, unknown>>;
  const description = (error.parentSchema as { readonly description?: unknown } | undefined)?.description;
  switch (error.keyword) {
    case "required":
      return `${field(params["missingProperty"])} is missing from the ${whole}.`;
    case "additionalProperties":
      return `${field(params["additionalProperty"])} is not known in the ${whole}.`;
    case "enum":
      return `${here} must be one of ${JSON.stringify(params["allowedValues"])}.`;
    case "oneOf":
      return `${here} must be ${typeof description === "string" ? description : "of one of the forms that are described"}.`;
    case "pattern":
      return `${here} must be ${typeof description === "string" ? description : `like ${String(params["pattern"])}`}.`;
    default:
      return `${here} ${error.message ?? "does not fit its schema"}.`;
  }
}
