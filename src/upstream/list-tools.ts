import { Fault } from "../base/index.ts";
import type { UpstreamReply } from "./exchange.ts";
import type { ParamHeader } from "./http/param-headers.ts";
import { findParamHeaders } from "./http/param-headers.ts";
import type { UpstreamLimits } from "./limits.ts";
import { isObject } from "./message.ts";
import { garbageFault } from "./reply.ts";

/** One element of `tools/list` as a server sent it. */
export interface OfferedTool extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface ToolList {
  readonly definitions: readonly OfferedTool[];
  /** By upstream name; only tools that have some. */
  readonly paramHeaders: ReadonlyMap<string, readonly ParamHeader[]>;
  /** Definitions that cannot be used: no name, no schema, a name that stands twice, header annotations against the rules. */
  readonly dropped: number;
  /** The exact text of all pages, to see whether anything changed. */
  readonly text: string;
}

const toolNameCharsMax = 256;
const cursorCharsMax = 4_096;

/** All pages of tools/list, or a Fault. `ask` sends one request with these params. */
export async function listTools(
  ask: (paramsText: string | null) => Promise<UpstreamReply>,
  options: {
    readonly serverName: string;
    readonly limits: UpstreamLimits;
    /** Over modern HTTP, tools whose header annotations break the rules may not be offered. */
    readonly checksHeaders: boolean;
    /** Whether "method not found" means that the server has no tools; else it is a Fault. */
    readonly mayLackTools: boolean;
  },
): Promise<ToolList> {
  const { serverName, limits } = options;
  const definitions = new Map<string, OfferedTool>();
  const paramHeaders = new Map<string, readonly ParamHeader[]>();
  const cursors = new Set<string>();
  let dropped = 0;
  let text = "";
  let params: string | null = null;
  for (let page = 0; page < limits.listPagesMax; page++) {
    const reply = await ask(params);
    if (reply.kind !== "result") {
      // A server without tools need not know the method.
      if (page === 0 && options.mayLackTools && reply.error.code === -32601)
        return { definitions: [], paramHeaders, dropped, text: "" };
      throw new Fault(
        "upstream-rejected",
        `${serverName} answered tools/list with error ${reply.error.code}`,
        {
          evidence: { rpc: reply.error.code },
        },
      );
    }
    const tools = reply.value["tools"];
    if (!Array.isArray(tools)) throw garbageFault(serverName, "tools/list has no tools");
    text += reply.raw;
    for (const tool of tools) {
      const definition = offeredTool(tool);
      const headers = definition === null ? null : findParamHeaders(definition.inputSchema);
      if (
        definition === null ||
        definitions.has(definition.name) ||
        (headers === null && options.checksHeaders)
      ) {
        dropped++;
        continue;
      }
      definitions.set(definition.name, definition);
      if (headers !== null && headers.length > 0) paramHeaders.set(definition.name, headers);
      if (definitions.size > limits.toolsMax) {
        throw garbageFault(serverName, `it offers more than ${limits.toolsMax} tools`);
      }
    }
    const cursor = reply.value["nextCursor"];
    if (typeof cursor !== "string")
      return { definitions: [...definitions.values()], paramHeaders, dropped, text };
    if (cursors.has(cursor) || cursor.length > cursorCharsMax) {
      throw garbageFault(serverName, "tools/list repeats a cursor or gives one too long");
    }
    cursors.add(cursor);
    params = JSON.stringify({ cursor });
  }
  throw garbageFault(serverName, `tools/list has more than ${limits.listPagesMax} pages`);
}

/** null = it cannot even be named or called. Everything finer is the registry's to judge, which gets it as it was offered. */
export function offeredTool(tool: unknown): OfferedTool | null {
  if (!isObject(tool)) return null;
  const { name, inputSchema, outputSchema } = tool;
  if (typeof name !== "string" || name === "" || name.length > toolNameCharsMax) return null;
  if (!isObject(inputSchema)) return null;
  if (outputSchema !== undefined && !isObject(outputSchema)) return null;
  return { ...tool, name, inputSchema };
}
