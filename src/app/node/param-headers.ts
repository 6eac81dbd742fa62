import { paramHeadersOf } from "../../edge/index.ts";
import type { ParamHeader } from "../../edge/index.ts";
import type { Tool, ToolDefinition } from "../../registry/index.ts";

/** Which arguments of a tool travel in `Mcp-Param-*` headers too, worked out once per pinned definition. */
export class ParamHeaders {
  private readonly known = new WeakMap<ToolDefinition, readonly ParamHeader[] | null>();

  /** null = none: the common case, which costs one look-up. */
  of(tool: Tool): readonly ParamHeader[] | null {
    const known = this.known.get(tool.definition);
    if (known !== undefined) return known;
    const found = paramHeadersOf(tool.definition.inputSchema);
    const headers = found.length === 0 ? null : found;
    this.known.set(tool.definition, headers);
    return headers;
  }
}
