import type { Server, ServerContext } from "@modelcontextprotocol/server";
import { codes } from "../../../contract/index.ts";
import { explain, faultFrom, newId } from "../../base/index.ts";
import type { CallAnswer } from "../../calls/index.ts";
import type { JsonObject } from "../envelope.ts";
import { metaOf } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { toolCallParams } from "../exchange.ts";
import type { EdgeOptions } from "../options.ts";
import { refusalResult } from "../wire.ts";
import { rejection } from "./rejection.ts";

/**
 * `tools/call` in a session. A lost connection is not a cancellation in this era (2025-11-25, basic/transports);
 * `notifications/cancelled` is, and aborts the SDK's signal.
 */
export async function callTool(
  options: EdgeOptions,
  server: Server,
  exchange: Exchange,
  params: JsonObject,
  context: ServerContext,
): Promise<Record<string, unknown>> {
  const checked = toolCallParams(params);
  if (!checked.ok) throw rejection(checked.refusal);
  const meta = metaOf(params) ?? {};
  const token = meta["progressToken"];
  const wantsProgress = typeof token === "string" || typeof token === "number";
  let answer: CallAnswer;
  try {
    answer = await options.calls.call({
      requestId: newId("req", options.clock.wall(), options.random),
      authenticate: exchange.authenticate,
      method: "tools/call",
      name: checked.value.name,
      arguments: checked.value.arguments,
      meta,
      deadline: null,
      signal: context.mcpReq.signal,
      onProgress: wantsProgress ? (progress) => notify(exchange, context, token, progress) : null,
      receivedAt: exchange.receivedAt,
    });
  } catch (thrown) {
    const { code } = faultFrom(thrown, "calling a tool");
    options.log.error("a call ended without an answer", {
      tool: checked.value.name,
      reason: explain(thrown),
      error: thrown,
    });
    answer = { kind: "refused", refusal: { code, detail: "" }, receipt: null };
  }
  switch (answer.kind) {
    case "result":
      return resultOf(server, answer.text);
    case "refused":
      if (codes[answer.refusal.code].mcp === "error") throw rejection(answer.refusal, answer.receipt);
      return refusalResult(answer.refusal, answer.receipt);
  }
}

/** `resultType` belongs to the modern era; structured content that is no object is wrapped as this era wants it. */
function resultOf(server: Server, text: string): Record<string, unknown> {
  const { resultType: _, ...result } = JSON.parse(text) as Record<string, unknown>;
  return server.projectCallToolResult(result as Parameters<Server["projectCallToolResult"]>[0], undefined);
}

/** Progress is advice: a reader that is behind does not get it, and a reader that is gone is not an error. */
function notify(
  exchange: Exchange,
  context: ServerContext,
  progressToken: string | number,
  progress: Readonly<Record<string, unknown>>,
): void {
  if (exchange.response.writableNeedDrain) return;
  context.mcpReq
    .notify({ method: "notifications/progress", params: { ...progress, progressToken } })
    .catch(() => undefined);
}
