import type { Deadline } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { Era, ServerRecord } from "../registry/index.ts";
import { openHttp } from "./http/open-http.ts";
import type { ToolList } from "./list-tools.ts";
import { listTools } from "./list-tools.ts";
import { ownRequest } from "./own-request.ts";
import { openStdio } from "./stdio/open-stdio.ts";
import type { Wire, WireContext, WireOwner } from "./wire.ts";

/**
 * A wire that is connected and listed, or a thrown Fault or Trouble with nothing left open. A remembered modern era of an HTTP
 * server is taken at its word; that it no longer holds shows at the listing, and then the era is found out anew.
 */
export async function connectServer(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ readonly wire: Wire; readonly tools: ToolList }> {
  const as = async (hint: Era | null): Promise<{ wire: Wire; tools: ToolList }> => {
    const open = record.transport.kind === "stdio" ? openStdio : openHttp;
    const wire = await open(context, record, owner, hint, deadline, signal);
    try {
      return { wire, tools: await listOver(wire, context, record, deadline, signal, hint !== "modern") };
    } catch (error) {
      await wire.close();
      throw error;
    }
  };
  try {
    return await as(record.era);
  } catch (error) {
    const isAnotherEra =
      record.era === "modern" &&
      record.transport.kind === "http" &&
      error instanceof Fault &&
      error.code !== "tool-unavailable" &&
      !signal.aborted;
    if (!isAnotherEra) throw error;
    return as(null);
  }
}

/** The server's tools, over a wire that stands. `mayLackTools`: whether "method not found" means that it has none. */
export function listOver(
  wire: Wire,
  context: WireContext,
  record: ServerRecord,
  deadline: Deadline,
  signal: AbortSignal,
  mayLackTools: boolean,
): Promise<ToolList> {
  const { limits } = context;
  const server = { ...record, resultBytesMax: limits.listBytesMax };
  return listTools((params) => wire.exchange(ownRequest(server, "tools/list", params, deadline, signal)), {
    serverName: record.name,
    limits,
    checksHeaders: wire.era === "modern" && record.transport.kind === "http",
    mayLackTools,
  });
}
