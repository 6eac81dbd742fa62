import { canonicalJson } from "../base/index.ts";
import { jsonProblem } from "./json-bounds.ts";
import type { ToolClass, ToolDefinition, ToolProbe } from "./records.ts";

/** Each probe is an entry: at five minutes a tool leaves 288 a day. */
export const probeDefaults = { everyMs: 300_000 } as const;

/** Inclusive. Below ten seconds a probe would be load; what is looked at less than daily is as good as not looked at. */
export const probeBounds = { everyMs: { min: 10_000, max: 24 * 3_600_000 } } as const;

/** Characters of a probe's arguments as JSON: every list of servers and each entry carries them. */
const probeArgumentsMax = 16_384;

/**
 * Why a tool with this definition cannot have this class, or null. `offers` answers whether the same server has a tool of that
 * name. A key travels in a top-level string property, because only there can it be set without reading the schema's intent.
 */
export function classProblem(
  toolClass: ToolClass,
  definition: ToolDefinition,
  offers: (tool: string) => boolean,
): string | null {
  switch (toolClass.kind) {
    case "read":
      return toolClass.probe === undefined ? null : probeProblem(toolClass.probe);
    case "effect":
      return null;
    case "idempotent": {
      const properties = definition.inputSchema["properties"];
      const key = toolClass.keyArgument;
      const property = isObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (property === undefined) return `the tool has no argument "${key}" to carry the key`;
      return isObject(property) && property["type"] === "string"
        ? null
        : `the argument "${key}" is not a string, so it cannot carry the key`;
    }
    case "verifiable":
      if (toolClass.verifyTool === definition.name) return "a tool cannot verify itself";
      if (!offers(toolClass.verifyTool))
        return `the server has no tool "${toolClass.verifyTool}" to verify with`;
      return verifyArgumentsProblem(toolClass.verifyArguments ?? [], definition);
  }
}

function verifyArgumentsProblem(names: readonly string[], { inputSchema }: ToolDefinition): string | null {
  const properties = inputSchema["properties"];
  const missing = names.find((name) => !isObject(properties) || !Object.hasOwn(properties, name));
  return missing === undefined ? null : `the tool has no argument "${missing}" to verify with`;
}

/**
 * What is wrong with a probe by itself. Whether its arguments fit the tool's schema is seen by the call that it is: a schema may change
 * when nobody thinks of the probe, and the tool is no other for that.
 */
export function probeProblem(probe: ToolProbe): string | null {
  const { min, max } = probeBounds.everyMs;
  const { everyMs = probeDefaults.everyMs } = probe;
  if (!(Number.isSafeInteger(everyMs) && everyMs >= min && everyMs <= max))
    return `its probe's interval is ${everyMs} ms; whole numbers from ${min} to ${max} are allowed`;
  const bad = jsonProblem(probe.arguments, { depthMax: 16, valuesMax: 2_000 });
  if (bad !== null) return `its probe's arguments: ${bad}`;
  const { length } = canonicalJson(probe.arguments);
  return length <= probeArgumentsMax
    ? null
    : `its probe's arguments have ${length} characters; ${probeArgumentsMax} are allowed`;
}

/** Nothing left out; null = the node does not call a tool of this class by itself. */
export function probeOf(toolClass: ToolClass): Required<ToolProbe> | null {
  const probe = toolClass.kind === "read" ? toolClass.probe : undefined;
  return probe === undefined ? null : { ...probeDefaults, ...probe };
}

export const sameClass = (a: ToolClass, b: ToolClass): boolean => {
  if (a === b) return true;
  switch (a.kind) {
    case "read":
      return b.kind === "read" && canonicalJson(a.probe ?? null) === canonicalJson(b.probe ?? null);
    case "effect":
      return a.kind === b.kind;
    case "idempotent":
      return b.kind === "idempotent" && a.keyArgument === b.keyArgument;
    case "verifiable":
      return (
        b.kind === "verifiable" &&
        a.verifyTool === b.verifyTool &&
        JSON.stringify(a.verifyArguments) === JSON.stringify(b.verifyArguments)
      );
  }
};

export const effectClass: ToolClass = Object.freeze({ kind: "effect" });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
