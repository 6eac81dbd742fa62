import { bytesPattern, durationPattern } from "./units.ts";

/**
 * The configuration file as one JSON Schema (2020-12): what editors complete with, what `config.ts` validates with, and what the
 * reference page is generated from. Three annotations are ours: `x-unit`, `x-reason` (why this default or bound), and `x-bounds`
 * (for texts that mean a number). `x-secret` marks where a `${vault:name}` reference may stand.
 */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly "x-unit"?: string;
  readonly "x-reason"?: string;
  readonly "x-bounds"?: { readonly of: "duration" | "bytes"; readonly min: string; readonly max: string };
  readonly "x-secret"?: boolean;
  readonly [keyword: string]: unknown;
}

export const section = (description: string, properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  description,
  default: {},
  additionalProperties: false,
  properties,
});

export const duration = (
  description: string,
  reason: string,
  min: string,
  max: string,
  value: string,
): Schema => ({
  type: "string",
  description,
  default: value,
  pattern: durationPattern,
  "x-unit": "duration: ms, s, m, h or d",
  "x-bounds": { of: "duration", min, max },
  "x-reason": reason,
});

/** One that may be left out. */
export function optionalDuration(description: string, reason: string, min: string, max: string): Schema {
  const { default: _, ...schema } = duration(description, reason, min, max, "");
  return schema;
}

export const bytes = (
  description: string,
  reason: string,
  min: string,
  max: string,
  value: string,
): Schema => ({
  type: "string",
  description,
  default: value,
  pattern: bytesPattern,
  "x-unit": "bytes: B, KiB, MiB or GiB",
  "x-bounds": { of: "bytes", min, max },
  "x-reason": reason,
});

export const count = (
  description: string,
  reason: string,
  unit: string,
  minimum: number,
  maximum: number,
  value: number,
): Schema => ({
  type: "integer",
  description,
  default: value,
  minimum,
  maximum,
  "x-unit": unit,
  "x-reason": reason,
});

export const path = (description: string, reason: string, value?: string): Schema => ({
  type: "string",
  description,
  minLength: 1,
  maxLength: 4_096,
  ...(value === undefined ? {} : { default: value }),
  "x-unit": "path, relative to the configuration file",
  "x-reason": reason,
});

export const texts = (description: string, reason: string, maxItems: number, unit: string): Schema => ({
  type: "array",
  description,
  default: [],
  maxItems,
  items: { type: "string", minLength: 1, maxLength: 4_096 },
  "x-unit": unit,
  "x-reason": reason,
});

/** A program that is started: no shell reads it. */
export const program = (description: string): Schema => ({
  type: "string",
  minLength: 1,
  maxLength: 4_096,
  description,
  "x-unit": "program name or path",
  "x-reason": "Program and arguments are passed as they are, so nothing in them can become a command.",
});

export const programArguments = (reason: string): Schema => ({
  type: "array",
  maxItems: 256,
  items: { type: "string", maxLength: 32_768 },
  description: "The program's arguments.",
  "x-unit": "texts",
  "x-reason": reason,
});

export const environment = (description: string, reason: string): Schema => ({
  type: "object",
  maxProperties: 256,
  propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
  additionalProperties: { type: "string", maxLength: 32_768, "x-secret": true },
  description,
  "x-unit": "name to text",
  "x-reason": reason,
});

export const address = (description: string, reason: string): Schema => ({
  type: "string",
  minLength: 1,
  maxLength: 2_048,
  pattern: "^https?://",
  description,
  "x-unit": "URL (http or https)",
  "x-reason": reason,
});
