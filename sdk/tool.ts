import type { ReceiptReference } from "../contract/index.ts";
import { metaKeys } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";
import { Refused } from "./errors.ts";
import { mcpHeaders, mcpMeta } from "./mcp.ts";
import { paramHeaderValues, paramHeadersOf } from "./param-headers.ts";
import { listTools } from "./tool-list.ts";
import type { Heard, Said, Wire } from "./wire.ts";
import { ask, notOurs, parsed, refusalOf } from "./wire.ts";

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
  /** Whose process waits for that person, or does not. */
  readonly attempt: Pick<Attempt, "wait" | "restIfLong" | "holdMs">;
}

/** With which a call that waits for a person is waited for. */
const waitTool = "signalbox__wait";

type Asked = { readonly result: ToolResult } | { readonly pending: Pending; readonly said: Said };

/** One `tools/call` (MCP 2026-07-28). A call that needs a person's approval is waited for, as long as the caller has time. */
export async function callTool(wire: Wire, call: ToolAsk): Promise<ToolResult> {
  const endAt = performance.now() + call.timeoutMs;
  const asked = await firstRequest(wire, call, endAt);
  if ("result" in asked) return asked.result;
  call.onPending(asked.pending);
  return call.attempt.wait(() => decided(wire, call, asked.pending, endAt));
}

/** People think for hours: an agent that may rest does, and makes the same call when they have decided. */
async function decided(wire: Wire, call: ToolAsk, pending: Pending, endAt: number): Promise<ToolResult> {
  const { attempt } = call;
  const startedAt = performance.now();
  const seconds = Math.max(1, Math.ceil(attempt.holdMs / 1_000));
  for (let id = pending.call; ;) {
    await attempt.restIfLong(performance.now() - startedAt);
    const asked = await request(wire, call, waitTool, { call: id, seconds }, endAt);
    if ("result" in asked) return asked.result;
    id = asked.pending.call;
  }
}

/**
 * Most tools want no argument in a header, so none is looked up before the node says that one is missing, or not the one that it is now.
 * It says so before anything happens.
 */
async function firstRequest(wire: Wire, call: ToolAsk, endAt: number): Promise<Asked> {
  try {
    return await request(wire, call, call.name, call.arguments, endAt);
  } catch (thrown) {
    if (!(thrown instanceof Refused) || thrown.code !== "header-mismatch") throw thrown;
    const { step, signal } = call;
    const listed = await listTools(wire, {
      step,
      signal,
      patienceMs: Math.max(0, endAt - performance.now()),
    });
    const definition = listed.find(({ name }) => name === call.name);
    wire.paramHeaders.set(call.name, paramHeadersOf(definition?.inputSchema));
    return request(wire, call, call.name, call.arguments, endAt);
  }
}

function request(wire: Wire, call: ToolAsk, name: string, args: unknown, endAt: number): Promise<Asked> {
  const leftMs = Math.max(0, endAt - performance.now());
  const meta = { ...mcpMeta, ...(name === waitTool ? {} : call.meta) };
  return ask<Asked>(
    wire,
    {
      method: "POST",
      path: "/mcp",
      headers: {
        ...mcpHeaders("tools/call", name),
        ...paramHeaderValues(wire.paramHeaders.get(name) ?? [], args),
      },
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
  const textOf = (result?.content ?? [])
    .flatMap((part) => (part.type === "text" ? [part.text ?? ""] : []))
    .join("\n");
  if (meta[metaKeys.refusal] === undefined) {
    if (result === undefined) throw notOurs(status, text);
    const { isError = false, content, structuredContent } = result;
    const shape = structuredContent === undefined ? {} : { structuredContent };
    return { kind: "answer", value: { result: { content, ...shape, isError, text: textOf, receipt } } };
  }
  const heard = refusalOf(meta, error?.message ?? textOf, receipt);
  if (heard === null) throw notOurs(status, text);
  const pending = meta[metaKeys.pending] as Pending | undefined;
  if (heard.code === "approval-needed" && pending !== undefined && mayWait)
    return { kind: "answer", value: { pending, said: heard } };
  return { kind: "said", said: heard };
}
