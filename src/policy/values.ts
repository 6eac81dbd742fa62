import type { ArgumentType } from "./argument-type.ts";
import type { CedarValueJson } from "./cedar.ts";
import type { ContextReads } from "./reads.ts";

/** A value at a path that is read, but that Cedar cannot have. Always a deny. */
export interface Unmappable {
  /** `context.args.amount`. */
  readonly path: string;
  readonly because: string;
}

/** Four places of a signed 64-bit number: Cedar's decimal. */
const decimalPlaces = 4;
const scaledMax = 2n ** 63n - 1n;
/** A set this large is no longer something to decide on; the question would be larger than the call. */
const setItemsMax = 10_000;

/**
 * The part of `value` that is read, as Cedar has it; undefined = absent (null is absent). What cannot be mapped is added to
 * `problems`. Only the schema's type counts: a value of another type is unmappable, never converted.
 */
export function mapRead(
  type: ArgumentType,
  value: unknown,
  reads: ContextReads,
  path: string,
  problems: Unmappable[],
): CedarValueJson | undefined {
  if (value === null || value === undefined) return undefined;
  if (reads.whole || type.kind !== "record") return mapWhole(type, value, path, problems);
  const fields = fieldsOf(value, path, problems);
  if (fields === null) return undefined;
  const record: Record<string, CedarValueJson> = {};
  for (const [key, below] of reads.children) {
    if (!Object.hasOwn(fields, key)) continue;
    const attribute = type.attributes.get(key);
    const mapped = mapRead(attribute?.type ?? unlisted, fields[key], below, `${path}.${key}`, problems);
    if (mapped !== undefined) record[key] = mapped;
  }
  return record;
}

const unlisted: ArgumentType = { kind: "none", because: "is not in the tool's schema" };

function mapWhole(
  type: ArgumentType,
  value: unknown,
  path: string,
  problems: Unmappable[],
): CedarValueJson | undefined {
  if (value === null || value === undefined) return undefined;
  const wrong = (because: string): undefined => {
    problems.push({ path, because });
  };
  switch (type.kind) {
    case "none":
      return wrong(type.because);
    case "boolean":
      return typeof value === "boolean" ? value : wrong("is not a boolean");
    case "string":
      return typeof value === "string" ? value : wrong("is not a string");
    case "long":
      if (typeof value !== "number") return wrong("is not a number");
      return Number.isSafeInteger(value) ? value + 0 : wrong("is not a whole number within 2^53-1");
    case "decimal": {
      if (typeof value !== "number") return wrong("is not a number");
      const decimal = decimalText(value);
      return decimal.ok ? { __extn: { fn: "decimal", arg: decimal.text } } : wrong(decimal.because);
    }
    case "set": {
      if (!Array.isArray(value)) return wrong("is not an array");
      if (value.length > setItemsMax)
        return wrong(`has ${value.length} items; policies read at most ${setItemsMax}`);
      if (value.includes(null)) return wrong("mixes null with other items");
      return value.flatMap((item, at) => mapWhole(type.element, item, `${path}[${at}]`, problems) ?? []);
    }
    case "record":
      return wholeRecord(type.attributes, value, path, problems);
  }
}

function wholeRecord(
  attributes: Extract<ArgumentType, { kind: "record" }>["attributes"],
  value: unknown,
  path: string,
  problems: Unmappable[],
): CedarValueJson | undefined {
  const fields = fieldsOf(value, path, problems);
  if (fields === null) return undefined;
  const record: Record<string, CedarValueJson> = {};
  for (const [key, field] of Object.entries(fields)) {
    const type = attributes.get(key)?.type ?? unlisted;
    const mapped = mapWhole(type, field, `${path}.${key}`, problems);
    if (mapped !== undefined) record[key] = mapped;
  }
  return record;
}

function fieldsOf(
  value: unknown,
  path: string,
  problems: Unmappable[],
): Readonly<Record<string, unknown>> | null {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  problems.push({ path, because: "is not an object" });
  return null;
}

type DecimalText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly because: string };

/** The shortest text that gives this double back, when it has at most four places and is in range. */
export function decimalText(value: number): DecimalText {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  if (match === null) {
    // Only very large and very small numbers are printed with an exponent.
    const tiny = Math.abs(value) < 1;
    return {
      ok: false,
      because: tiny ? `has more than ${decimalPlaces} decimal places` : "is out of a decimal's range",
    };
  }
  const [, sign = "", whole = "0", fraction = ""] = match;
  if (fraction.length > decimalPlaces)
    return { ok: false, because: `has more than ${decimalPlaces} decimal places` };
  const scaled = BigInt(whole + fraction.padEnd(decimalPlaces, "0"));
  if (scaled > scaledMax) return { ok: false, because: "is out of a decimal's range" };
  return { ok: true, text: `${sign}${whole}.${fraction === "" ? "0" : fraction}` };
}
