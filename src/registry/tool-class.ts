import type { ToolClass, ToolDefinition } from "./records.ts";

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

export const sameClass = (a: ToolClass, b: ToolClass): boolean => {
  switch (a.kind) {
    case "read":
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
