import { isObject, metaOf } from "../envelope.ts";
import type { ParamHeader } from "../modern/param-headers.ts";
import { paramHeadersOf } from "../modern/param-headers.ts";
import type { Target, Wire } from "./http.ts";
import { bodyOf } from "./http.ts";
import type { StdioRequest } from "./message.ts";
import { envelopeOf, modernHeaders } from "./modern-headers.ts";
import { jsonOf, resultOf } from "./text.ts";

const pagesMax = 64;
/** Tools whose definitions are known; beginning anew costs one list. */
const toolsMax = 10_000;

/**
 * Which arguments of tools travel in headers too. That stands in their definitions, which a client on stdio need not have read:
 * the node refuses such a call before it does anything, the bridge reads the list, and the call is sent again.
 */
export class ParamHeaders {
  private readonly known = new Map<string, readonly ParamHeader[]>();

  of(tool: unknown): readonly ParamHeader[] {
    return typeof tool === "string" ? (this.known.get(tool) ?? []) : [];
  }

  async learn(wire: Wire, target: Target, request: StdioRequest, signal: AbortSignal): Promise<void> {
    const { version } = request;
    if (version === null) return;
    if (this.known.size > toolsMax) this.known.clear();
    let cursor: unknown;
    for (let page = 0; page < pagesMax; page++) {
      const envelope = envelopeOf(metaOf(request.params) ?? {});
      const params = { ...(cursor === undefined ? {} : { cursor }), _meta: envelope };
      const response = await wire.send(target, {
        method: "POST",
        headers: modernHeaders("tools/list", params, version, []),
        body: JSON.stringify({ jsonrpc: "2.0", id: "bridge-list", method: "tools/list", params }),
        signal,
      });
      const list = resultOf(await bodyOf(response));
      if (!isObject(list)) return;
      this.note(list["tools"]);
      cursor = list["nextCursor"];
      if (typeof cursor !== "string") return;
    }
  }

  private note(tools: unknown): void {
    for (const tool of Array.isArray(tools) ? (tools as readonly unknown[]) : []) {
      if (isObject(tool) && typeof tool["name"] === "string")
        this.known.set(tool["name"], paramHeadersOf(tool["inputSchema"]));
    }
  }
}

/** Whether this refusal says that such a header is missing. */
export function missesParamHeader(text: string): boolean {
  if (!text.includes("-32020")) return false;
  const body = jsonOf(text);
  const error = isObject(body) ? body["error"] : null;
  const data = isObject(error) ? error["data"] : null;
  const header = isObject(data) ? data["header"] : null;
  return typeof header === "string" && header.toLowerCase().startsWith("mcp-param-");
}
