import { Fault } from "../base/index.ts";
import type { Era } from "../registry/index.ts";
import { readAsks } from "./ask-rules.ts";
import { describedError, urlAsks } from "./error-texts.ts";
import type { JsonRpcError, UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { isObject } from "./message.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** JSON-RPC errors that prove that the request was not carried out. */
const rejections: ReadonlySet<number> = new Set([-32700, -32600, -32601, -32602, -32020, -32021, -32022]);
/** The methods that may be answered with a question (MCP 2026-07-28, basic/patterns/mrtr). */
const mayAskBack: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);
/** Where the answers to these hold a list, without which no client can read them. One that is left out is the server's business. */
const listIn: ReadonlyMap<string, string> = new Map([
  ["tools/call", "content"],
  ["prompts/get", "messages"],
  ["resources/read", "contents"],
]);
/** What reads something at a URI. */
const readings: ReadonlySet<string> = new Set(["resources/read", "skills/get", "resources/directory/read"]);
/** Servers keep no state of their own then and put it all in here; ours is sealed around it and travels with the caller. */
const requestStateCharsMax = 64 * 1024;
const taskIdCharsMax = 1_024;
const taskStatuses: ReadonlySet<unknown> = new Set([
  "working",
  "input_required",
  "completed",
  "failed",
  "cancelled",
]);

/** What a result means; a string = what is wrong with it. A result says its kind; absent means complete (legacy servers). */
export function replyFrom(
  raw: string,
  value: JsonObject,
  request: UpstreamRequest,
  era: Era,
): UpstreamReply | string {
  const kind = value["resultType"];
  if (kind === undefined || kind === "complete") {
    const list = listIn.get(request.method);
    if (list !== undefined && value[list] !== undefined && !Array.isArray(value[list]))
      return `its ${list} is not a list`;
    return { kind: "result", raw, value };
  }
  if (era === "modern" && kind === "input_required") return readInputRequired(raw, value, request);
  if (era === "modern" && kind === "task") return readTask(raw, value, request);
  return `its resultType is ${JSON.stringify(kind)?.slice(0, 60)}, which was not offered`;
}

export function errorReply(error: JsonRpcError, request: UpstreamRequest, era: Era): UpstreamReply {
  if (era === "legacy") {
    const asked = urlAsks(error, request);
    if (asked !== null) return asked;
    // Until 2025-11-25 a resource that is not there had a code of its own.
    if (error.code === -32002 && readings.has(request.method))
      return { kind: "rejected", error: { ...error, code: -32602 } };
  }
  return rejections.has(error.code)
    ? { kind: "rejected", error: describedError(error) }
    : { kind: "error", error };
}

export const garbageFault = (serverName: string, why: string): Fault =>
  new Fault("upstream-garbage", `${serverName}: the answer makes no sense: ${why}`);

function readInputRequired(raw: string, value: JsonObject, request: UpstreamRequest): UpstreamReply | string {
  if (!mayAskBack.has(request.method)) return `${request.method} cannot be answered with a question`;
  const state = value["requestState"];
  if (state !== undefined && typeof state !== "string") return "its requestState is not a string";
  if (state !== undefined && state.length > requestStateCharsMax)
    return `its requestState has more than ${requestStateCharsMax} characters`;
  if (state === undefined && value["inputRequests"] === undefined) return "it asks for nothing";
  const requests = readAsks(value["inputRequests"], request.profile);
  if (typeof requests === "string") return requests;
  return { kind: "input-required", raw, requests, requestState: state ?? null };
}

function readTask(raw: string, value: JsonObject, request: UpstreamRequest): UpstreamReply | string {
  const extensions = request.profile.capabilities["extensions"];
  const isDeclared = isObject(extensions) && isObject(extensions["io.modelcontextprotocol/tasks"]);
  if (!isDeclared || request.method !== "tools/call") return "it is a task, which was not offered";
  const { taskId, status, ttlMs, pollIntervalMs } = value;
  if (typeof taskId !== "string" || taskId === "" || taskId.length > taskIdCharsMax)
    return "its taskId is not acceptable";
  if (!taskStatuses.has(status)) return `its task has the status ${JSON.stringify(status)?.slice(0, 60)}`;
  if (ttlMs !== undefined && ttlMs !== null && !isMs(ttlMs)) return "the ttlMs of its task is no time";
  if (pollIntervalMs !== undefined && !isMs(pollIntervalMs))
    return "the pollIntervalMs of its task is no time";
  return { kind: "task", raw, value };
}

const isMs = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0;
