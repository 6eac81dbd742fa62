import { Fault } from "../base/index.ts";
import type { JsonRpcError, UpstreamReply } from "./exchange.ts";

/** JSON-RPC errors that prove that the request was not carried out. */
const rejections: ReadonlySet<number> = new Set([-32700, -32600, -32601, -32602, -32020, -32021, -32022]);

export const errorReply = (error: JsonRpcError): UpstreamReply =>
  rejections.has(error.code) ? { kind: "rejected", error } : { kind: "error", error };

/**
 * A modern result says its kind; absent means complete (legacy servers). Other kinds answer capabilities that we never declare.
 * Null = fine.
 */
export function badResultType(value: Readonly<Record<string, unknown>>): string | null {
  const kind = value["resultType"];
  if (kind === undefined || kind === "complete") return null;
  return `its resultType is ${JSON.stringify(kind)?.slice(0, 60)}, which was not offered`;
}

export const garbageFault = (serverName: string, why: string): Fault =>
  new Fault("upstream-garbage", `${serverName}: the answer makes no sense: ${why}`);
