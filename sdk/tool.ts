import type { ReceiptReference } from "../contract/index.ts";
import { metaKeys } from "../contract/index.ts";
import { isCode } from "./errors.ts";
import type { Heard, Said, Wire } from "./wire.ts";
import { ask, notOurs, parsed, said } from "./wire.ts";

/** What a tool answered. */
export interface ToolResult {
  readonly content: readonly ContentPart[];
  readonly structuredContent?: unknown;
  /** True = the tool says itself that it failed; it may have had effects. */
  readonly isError: boolean;
  /** All texts of the content, one after the other. */
  readonly text: string;
  /** Where the call stands in the ledger: `signalbox audit prove <entry>`. */
  readonly receipt: ReceiptReference | null;
}

interface ContentPart {
  readonly type: string;
  readonly text?: string;
  readonly [name: string]: unknown;
}

/** A call that waits for a person, and where that person decides. */
export interface Pending {
  readonly call: string;
  readonly approval: string;
  readonly url: string | null;
  readonly expiresAt: string | null;
}

export interface ToolAsk {
  readonly name: string;
  readonly arguments: unknown;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly step: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Told once, when the call turns out to wait for a person. */
  readonly onPending: (pending: Pending) => void;
}

const version = "2026-07-28";
/** With which a call that waits for a person is waited for. */
const waitTool = "signalbox__wait";

type Asked = { readonly result: ToolResult } | { readonly pending: Pending; readonly said: Said };

/** One `tools/call` (MCP 2026-07-28). A call that needs a person's approval is waited for, as long as the caller has time. */
export async function callTool(wire: Wire, call: ToolAsk): Promise<ToolResult> {
  const endAt = performance.now() + call.timeoutMs;
  let asked = await request(wire, call, call.name, call.arguments, endAt);
  if ("pending" in asked) call.onPending(asked.pending);
  while ("pending" in asked) asked = await request(wire, call, waitTool, { call: asked.pending.call }, endAt);
  return asked.result;
}

function request(wire: Wire, call: ToolAsk, name: string, args: unknown, endAt: number): Promise<Asked> {
  const leftMs = Math.max(0, endAt - performance.now());
  const meta = {
    "io.modelcontextprotocol/protocolVersion": version,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "signalbox-sdk", version: "0.1.0" },
    ...(name === waitTool ? {} : call.meta),
  };
  return ask<Asked>(
    wire,
    {
      method: "POST",
      path: "/mcp",
      headers: { "mcp-protocol-version": version, "mcp-method": "tools/call", "mcp-name": name },
      body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args, _meta: meta } },
      step: call.step,
      signal: call.signal,
      patienceMs: leftMs,
    },
    (status, text) => read(status, text, leftMs > 0),
  );
}

type Meta = Readonly<Record<string, unknown>>;

/** `mayWait`: there is time left for a person. */
function read(status: number, text: string, mayWait: boolean): Heard<Asked> {
  const { result, error } = parsed(status, text) as {
    readonly result?: Omit<ToolResult, "text" | "receipt" | "isError"> & {
      readonly isError?: boolean;
      readonly _meta?: Meta;
    };
    readonly error?: { readonly message: string; readonly data?: Meta };
  };
  const meta = result?._meta ?? error?.data ?? {};
  const receipt = (meta[metaKeys.receipt] as ReceiptReference | undefined) ?? null;
  const refusal = meta[metaKeys.refusal] as Meta | undefined;
  const textOf = (result?.content ?? [])
    .flatMap((part) => (part.type === "text" ? [part.text ?? ""] : []))
    .join("\n");
  if (refusal === undefined) {
    if (result === undefined) throw notOurs(status, text);
    const { isError = false, content, structuredContent } = result;
    const shape = structuredContent === undefined ? {} : { structuredContent };
    return { kind: "answer", value: { result: { content, ...shape, isError, text: textOf, receipt } } };
  }
  const code = refusal["code"];
  if (!isCode(code)) throw notOurs(status, text);
  const heard = said(code, refusal, error?.message ?? textOf, receipt);
  const pending = meta[metaKeys.pending] as Pending | undefined;
  if (code === "approval-needed" && pending !== undefined && mayWait)
    return { kind: "answer", value: { pending, said: heard } };
  return { kind: "said", said: heard };
}
