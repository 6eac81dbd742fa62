import type { ErrorObject, ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { reservedServerName, serverNameMax } from "../../registry/index.ts";
import type { Schema } from "./schema.ts";
import { configSchema, schemaAt } from "./schema.ts";
import { parseBytes, parseDuration } from "./units.ts";
import { keysOfPointer } from "./yaml.ts";
import { nearestName } from "./nearest-name.ts";

/** `isKey`: the place to point at is the key, not its value. */
export interface SchemaProblem {
  readonly pointer: string;
  readonly isKey: boolean;
  readonly message: string;
}

/** A node reads its configuration once, and need not keep the megabyte that this is. */
let compiled: WeakRef<ValidateFunction> | null = null;

/**
 * All that is wrong with the value; fills in the defaults where something is left out. The values at the pointers in `hidden`
 * (and of settings that may hold a secret) never get into a message.
 */
export function validateConfig(value: unknown, hidden: ReadonlySet<string>): readonly SchemaProblem[] {
  const validate = compiled?.deref() ?? compile();
  compiled = new WeakRef(validate);
  if (validate(value)) return [];
  const problems = (validate.errors ?? [])
    .map((error) => problemOf(error, hidden))
    .filter((problem) => problem !== null);
  // One mistake can break several rules of one setting; the same words twice help nobody.
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = `${problem.pointer} ${problem.message}`;
    return !seen.has(key) && seen.add(key);
  });
}

function compile(): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    strict: true,
    strictRequired: false,
  });
  for (const keyword of ["x-unit", "x-reason", "x-secret"]) ajv.addKeyword(keyword);
  ajv.addKeyword({
    keyword: "x-bounds",
    type: "string",
    validate: (bounds: NonNullable<Schema["x-bounds"]>, text: string) => {
      const parse = bounds.of === "duration" ? parseDuration : parseBytes;
      const [value, min, max] = [parse(text), parse(bounds.min), parse(bounds.max)];
      // What is not written as a number with a unit fails at its pattern.
      return value === null || min === null || max === null || (value >= min && value <= max);
    },
  });
  return ajv.compile(configSchema);
}

function problemOf(error: ErrorObject, hidden: ReadonlySet<string>): SchemaProblem | null {
  const pointer = error.instancePath;
  const path = keysOfPointer(pointer);
  const schema = schemaAt(path);
  const name = path.at(-1) ?? "the file";
  const said =
    schema?.["x-secret"] === true || hidden.has(pointer) ? "the value (not shown)" : shown(error.data);
  const at = (message: string, key?: string): SchemaProblem => ({
    pointer: key === undefined ? pointer : `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
    isKey: key !== undefined,
    message,
  });
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(error.params["additionalProperty"]);
      const known = Object.keys(schema?.properties ?? {});
      const nearest = nearestName(key, known);
      return at(
        nearest === null
          ? `there is no setting "${key.slice(0, 60)}" here; there are ${known.join(", ")}`
          : `there is no setting "${key.slice(0, 60)}"; did you mean "${nearest}"?`,
        key,
      );
    }
    case "required":
      // Reported once by `oneOf` itself.
      if (error.schemaPath.includes("/oneOf/")) return null;
      return at(`needs "${String(error.params["missingProperty"])}"`);
    case "dependentRequired": {
      const { property, missingProperty } = error.params as { property: string; missingProperty: string };
      return at(
        `belongs to a ${path[0] === "hooks" ? "hook" : "server"} with "${missingProperty}"`,
        property,
      );
    }
    case "oneOf":
      return at(oneOfMessage(path));
    case "false schema":
      return {
        ...at(
          name === "probe"
            ? "does not belong to this class: only a tool without effects, of class read, is called to see whether it works"
            : "does not belong to this class",
        ),
        isKey: true,
      };
    case "enum": {
      const allowed = (error.params["allowedValues"] as unknown[]).map(String);
      const nearest = typeof error.data === "string" ? nearestName(error.data, allowed) : null;
      return at(
        `${said} is not one of ${allowed.join(", ")}${nearest === null ? "" : `; did you mean "${nearest}"?`}`,
      );
    }
    case "type":
      if (schema?.["x-bounds"] !== undefined) return at(patternMessage(schema, name, said));
      return at(`${said} is not ${article(String(schema?.type ?? error.params["type"]))}`);
    case "pattern":
      if (error.propertyName !== undefined) return null; // `propertyNames` says it
      return at(patternMessage(schema, name, said));
    case "x-bounds": {
      const bounds = schema?.["x-bounds"];
      return at(`${said} is outside ${bounds?.min} to ${bounds?.max}`);
    }
    case "minimum":
    case "maximum":
      return at(`${said} is outside ${schema?.minimum} to ${schema?.maximum}`);
    case "propertyNames":
      return at(
        nameMessage(path, String(error.params["propertyName"])),
        String(error.params["propertyName"]),
      );
    case "if":
      return null; // its then or else says what is missing
    case "not":
      if (isJobHook(path)) return at('has both "token" and "tokenFile"');
      return error.propertyName === undefined ? at(`${said} is reserved`) : null;
    default:
      // Errors inside `propertyNames` are about a key and said there.
      return error.propertyName === undefined ? at(`${said} ${error.message ?? "is wrong"}`) : null;
  }
}

const isJobHook = (path: readonly string[]): boolean =>
  path.length === 3 && path[0] === "hooks" && path[2] === "kubernetes";

/** Of what can be said in several ways, where exactly one is wanted. */
function oneOfMessage(path: readonly string[]): string {
  if (isJobHook(path)) return 'needs either "job" or "jobFile", and not both';
  return path[0] === "hooks"
    ? 'needs one of "command" (started here), "url" with "secret" (asked by webhook) and "kubernetes" (a Job), and not two of them'
    : 'needs either "command" (started here) or "url" (reached over HTTP), and not both';
}

function patternMessage(schema: Schema | null, name: string, said: string): string {
  switch (schema?.["x-bounds"]?.of) {
    case "duration":
      return `${said} is not a duration; write it like 500ms, 30s, 5m, 4h or 7d`;
    case "bytes":
      return `${said} is not an amount of bytes; write it like 512B, 64KiB, 4MiB or 1GiB`;
    case undefined:
      return name === "url"
        ? `${said} is not an http or https URL`
        : `${said} does not have the form ${schema?.pattern ?? ""}`;
  }
}

function nameMessage(path: readonly string[], name: string): string {
  const said = JSON.stringify(name.slice(0, 60));
  const parent = path.at(-1);
  if (parent === "servers") {
    return `${said} cannot be a server's name: a-z and 0-9 with single hyphens between, at most ${serverNameMax} characters, not "${reservedServerName}"`;
  }
  return parent === "env" ? `${said} is not a variable's name` : `${said} cannot stand here as a name`;
}

const article = (type: string): string => {
  const names: Record<string, string> = {
    integer: "a whole number",
    string: "text",
    boolean: "true or false",
    array: "a list",
    object: "a group of settings",
  };
  return names[type] ?? type;
};

const shown = (value: unknown): string => {
  const text =
    typeof value === "object" && value !== null
      ? Array.isArray(value)
        ? "a list"
        : "a group of settings"
      : JSON.stringify(value);
  return text === undefined ? "nothing" : text.slice(0, 80);
};
