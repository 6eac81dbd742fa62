import type { ParamHeader } from "./http/param-headers.ts";
import { findParamHeaders } from "./http/param-headers.ts";
import { isObject } from "./message.ts";
import type { Wire } from "./wire.ts";

/** One element of `tools/list` as a server sent it. */
export interface OfferedTool extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface ToolList {
  readonly definitions: readonly OfferedTool[];
  /** By upstream name; only tools that have some. */
  readonly paramHeaders: ReadonlyMap<string, readonly ParamHeader[]>;
  /**
   * Definitions that cannot be used: no name, no schema, a name that stands twice, header annotations against the rules, or a wish to be
   * called as a task of the older era, which ended with that era's experiment.
   */
  readonly dropped: number;
}

const toolNameCharsMax = 256;

/** Over modern HTTP, tools whose header annotations break the rules may not be offered. */
export function toolsAmong(
  items: readonly unknown[],
  { era, isHttp }: { readonly era: Wire["era"]; readonly isHttp: boolean },
): ToolList {
  const definitions = new Map<string, OfferedTool>();
  const paramHeaders = new Map<string, readonly ParamHeader[]>();
  let dropped = 0;
  for (const item of items) {
    const definition = offeredTool(item);
    const headers = definition === null ? null : findParamHeaders(definition.inputSchema);
    const isUnusable =
      definition === null ||
      definitions.has(definition.name) ||
      (era === "modern" ? headers === null && isHttp : mustBeTask(definition));
    if (isUnusable) {
      dropped++;
      continue;
    }
    definitions.set(definition.name, definition);
    if (headers !== null && headers.length > 0) paramHeaders.set(definition.name, headers);
  }
  return { definitions: [...definitions.values()], paramHeaders, dropped };
}

/** 2025-11-25, tasks: such a tool answers everything else with "method not found". */
const mustBeTask = ({ execution }: OfferedTool): boolean =>
  isObject(execution) && execution["taskSupport"] === "required";

/** null = it cannot even be named or called. Everything finer is the registry's to judge, which gets it as it was offered. */
export function offeredTool(tool: unknown): OfferedTool | null {
  if (!isObject(tool)) return null;
  const { name, inputSchema, outputSchema } = tool;
  if (typeof name !== "string" || name === "" || name.length > toolNameCharsMax) return null;
  if (!isObject(inputSchema)) return null;
  if (outputSchema !== undefined && !isObject(outputSchema)) return null;
  return { ...tool, name, inputSchema };
}
