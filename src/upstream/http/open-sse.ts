import type { Deadline } from "../../base/index.ts";
import type { Profile, ServerRecord } from "../../registry/index.ts";
import { initialized } from "../handshake.ts";
import { ownRequest } from "../own-request.ts";
import { initializeParams, notificationText } from "../request-text.ts";
import { MultiplexedWire } from "../multiplexed-wire.ts";
import type { Wire, WireContext, WireOwner } from "../wire.ts";
import { within } from "../within.ts";
import type { Endpoint } from "./endpoint.ts";
import { SsePeer } from "./sse-peer.ts";

/**
 * The transport of 2024-11-05 (HTTP+SSE): a GET opens the one stream on which everything comes; its first event names where to POST.
 * null = the server does not speak it. Throws a Fault; the endpoint's pool is left open then.
 */
export async function openSse(
  context: WireContext,
  record: ServerRecord,
  profile: Profile,
  endpoint: Endpoint,
  owner: WireOwner,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Wire | null> {
  const peer = new SsePeer(context, record, endpoint, owner);
  try {
    const bounds = { clock: context.clock, deadline, signal, name: record.name };
    if (!(await within(peer.open(), bounds))) return null;
    const params = initializeParams(context.clientVersion, profile);
    const reply = await peer.stream.send(ownRequest(record, "initialize", params, deadline, signal), "");
    const { described } = initialized(reply, record.name);
    peer.post(notificationText("notifications/initialized", null));
    const close = (): Promise<void> => peer.close();
    return new MultiplexedWire({
      clock: context.clock,
      record,
      stream: peer.stream,
      described,
      envelope: "",
      close,
    });
  } catch (error) {
    peer.stop();
    throw error;
  }
}
