import { mcpHeaders, mcpMeta } from "./mcp.ts";
import type { Heard, Wire } from "./wire.ts";
import { ask, notOurs, parsed, refusalOf } from "./wire.ts";

/** A tool as the node lists it to this agent. */
export interface ListedTool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

interface Page {
  readonly tools: readonly ListedTool[];
  readonly nextCursor?: string;
}

/** A page has hundreds of tools; no agent is offered more than these hold. */
const pagesMax = 64;

export interface ListAsk {
  readonly step: string;
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

/** All tools that this agent may use now. */
export async function listTools(wire: Wire, options: ListAsk): Promise<readonly ListedTool[]> {
  const tools: ListedTool[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < pagesMax; pages++) {
    const page = await pageAt(wire, cursor, options);
    tools.push(...page.tools);
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  return tools;
}

function pageAt(wire: Wire, cursor: string | undefined, options: ListAsk): Promise<Page> {
  const params = { ...(cursor === undefined ? {} : { cursor }), _meta: mcpMeta };
  const request = {
    method: "POST",
    path: "/mcp",
    headers: mcpHeaders("tools/list", null),
    body: { jsonrpc: "2.0", id: 1, method: "tools/list", params },
    ...options,
  } as const;
  return ask<Page>(wire, request, read);
}

function read(status: number, text: string): Heard<Page> {
  const { result, error } = parsed(status, text) as {
    readonly result?: Page;
    readonly error?: { readonly message: string; readonly data?: Readonly<Record<string, unknown>> };
  };
  if (result !== undefined) {
    const tools = result.tools.map(({ name, description, inputSchema }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      inputSchema,
    }));
    return { kind: "answer", value: { ...result, tools } };
  }
  const refused = refusalOf(error?.data ?? {}, error?.message ?? "", null);
  if (refused === null) throw notOurs(status, text);
  return { kind: "said", said: refused };
}
