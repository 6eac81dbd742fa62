import { createRequire } from "node:module";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Ajv } from "ajv";
import type { ErrorObject, ValidateFunction } from "ajv";
import type * as re2js from "re2js";
import { interruptible } from "../base/index.ts";
import type { Pin } from "../registry/index.ts";
import { patternSize } from "./pattern-size.ts";
import { schemaCost, weightOf } from "./schema-cost.ts";

/** Compiled schemas of each part kept at once: those of three thousand tools, about 20 KB each. */
const compiledMax = 3_000;

/** null = fits; otherwise a sentence that names the argument. */
export type Validator = (value: unknown) => string | null;

type Schema = Readonly<Record<string, unknown>>;

/**
 * Schemas of strangers, compiled once per pin (about 3 ms each). Dialect: 2020-12, or draft-07 where `$schema` says so, as most
 * servers in the field do. References to other documents are never fetched: such a schema does not compile, and the tool says so.
 * Patterns run on RE2 (linear time); one that RE2 cannot express is left to the server itself.
 */
export class Validators {
  private readonly compiled = {
    input: new Map<Pin, Validator | string>(),
    output: new Map<Pin, Validator | string>(),
  };

  /** A string is the reason why the schema cannot be used. */
  of(pin: Pin, part: "input" | "output", schema: Schema): Validator | string {
    const compiled = this.compiled[part];
    const known = compiled.get(pin);
    if (known !== undefined) return known;
    const fresh = compileSchema(schema, part === "input" ? "argument" : "structuredContent");
    if (compiled.size >= compiledMax) {
      for (const oldest of compiled.keys()) {
        compiled.delete(oldest);
        break;
      }
    }
    compiled.set(pin, fresh);
    return fresh;
  }
}

/** A schema of 256 KiB, the largest there is, takes a second; one that refers to itself without end never ends. */
const compileMsMax = 2_000;
/** What is checked without looking at the clock: some milliseconds. */
const unwatchedStepsMax = 1_000_000;
/** Ten times what the largest result takes against an ordinary schema on a slow machine; nobody else is served meanwhile. */
const checkMsMax = 200;

/** The same for a schema that no pin names: whoever compiles it keeps it. */
export function compileSchema(schema: Schema, noun: string): Validator | string {
  const first = compiled(schema);
  if (typeof first === "string") return first;
  let made: ValidateFunction | string | null = first; // null = it was ended in the middle of something
  const ready = (): ValidateFunction | string => (made ??= compiled(schema));
  const { perValue, isQuadratic } = schemaCost(schema);
  const unwatched = isQuadratic ? Math.sqrt(unwatchedStepsMax / perValue) : unwatchedStepsMax / perValue;
  // What took too long shows how much of such values there can be. Halves are enough: few schemas ever time out, none often.
  let weightMax = Infinity;

  return (value) => {
    if (weightOf(value, unwatched) < unwatched) return checked(ready(), value, noun);
    const weight = weightOf(value, weightMax);
    if (weight >= weightMax) return tooLong(noun);
    const validate = ready(); // not within the time of the check
    const verdict = interruptible(checkMsMax, () => checked(validate, value, noun));
    if (verdict !== null) return verdict.value;
    made = null;
    weightMax = Math.ceil(weight / 2);
    return tooLong(noun);
  };
}

function checked(validate: ValidateFunction | string, value: unknown, noun: string): string | null {
  if (typeof validate === "string") return validate;
  try {
    return validate(value) ? null : describe(validate.errors?.[0], noun);
  } catch {
    return "the value is nested too deeply for the schema"; // a recursive schema ran out of stack
  }
}

const tooLong = (noun: string): string =>
  `the ${noun}s cannot be checked in time against a schema that compares so much; smaller ones can`;

function compiled(schema: Schema): ValidateFunction | string {
  const options = {
    strict: false,
    allErrors: false,
    validateFormats: false,
    logger: false,
    // A part that is referred to is compiled once, and not once for each reference: 200 references to 200 members took 38 s.
    inlineRefs: false,
    code: { regExp: linearPatterns(), optimize: false },
  } as const;
  const dialect = schema["$schema"];
  const isDraft7 = typeof dialect === "string" && /draft-0[67]/.test(dialect);
  try {
    const made = interruptible(compileMsMax, () =>
      (isDraft7 ? new Ajv(options) : new Ajv2020(options)).compile(schema),
    );
    return made === null ? "it takes too long to compile" : made.value;
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 300) : "the schema does not compile";
  }
}

/** Read with the first schema that has a pattern: few have, and it is a megabyte of memory. */
const require = createRequire(import.meta.url);
const linear = () => require("re2js") as typeof re2js;

/** Instructions of all patterns of one schema: the largest seen in the field have some hundred, and 20,000 are 20 MB. */
const patternsSizeMax = 20_000;

/**
 * Ajv asks for an engine with RegExp's interface: it calls `test`, and tells patterns apart by their text. What is beyond the bound, or
 * what RE2 cannot express, is left to the server itself.
 */
function linearPatterns() {
  let left = patternsSizeMax;
  const engine = (pattern: string): { test: (text: string) => boolean; toString: () => string } => {
    const toString = () => `/${pattern}/`;
    const size = patternSize(pattern);
    if (size > left) return { test: () => true, toString };
    left -= size;
    try {
      const compiled = linear().RE2JS.compile(pattern);
      return { test: (text) => compiled.matcher(text).find(), toString };
    } catch {
      return { test: () => true, toString };
    }
  };
  return Object.assign(engine, { code: "linearPattern" });
}

function describe(error: ErrorObject | undefined, noun: string): string {
  if (error === undefined) return `the ${noun} does not fit the schema`;
  const path = error.instancePath.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
  const inside = path === "" ? "" : `${path}.`;
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case "required":
      return `${noun} "${inside}${String(params["missingProperty"])}" is missing`;
    case "additionalProperties":
      return `${noun} "${inside}${String(params["additionalProperty"])}" is not known`;
    case "unevaluatedProperties":
      return `${noun} "${inside}${String(params["unevaluatedProperty"])}" is not known`;
    case "enum":
      return `${noun} "${path}" must be one of ${JSON.stringify(params["allowedValues"]).slice(0, 300)}`;
    default:
      return `${path === "" ? `the ${noun}s` : `${noun} "${path}"`} ${error.message ?? "do not fit the schema"}`;
  }
}
