import type { Deadline } from "../../base/index.ts";
import { deadlineIn, Fault, remainingMs } from "../../base/index.ts";
import type { Era, Profile, ServerRecord } from "../../registry/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import type { UpstreamReply } from "../exchange.ts";
import { modernDescription } from "../handshake.ts";
import { isObject } from "../message.ts";
import { ownRequest } from "../own-request.ts";
import { modernVersion } from "../request-text.ts";
import type { Wire, WireContext, WireOwner } from "../wire.ts";
import { within } from "../within.ts";
import type { Endpoint } from "./endpoint.ts";
import { openEndpoint } from "./endpoint.ts";
import { initializeSession } from "./legacy-session.ts";
import { LegacyHttpWire } from "./legacy-wire.ts";
import { ModernHttpWire } from "./modern-wire.ts";
import { openSse } from "./open-sse.ts";

/**
 * Finds out the era: a known modern server is taken at its word (the first listing shows), a known legacy one is initialized,
 * and an unknown one is asked `server/discover`. Any answer but a fitting one leads to `initialize`: real servers answer an
 * unknown method with everything from -32601 to HTTP 500. A server that cannot be reached is not asked a second time. `profile`:
 * the capabilities that a legacy connection declares, for good; a modern one serves every profile.
 */
export async function openHttp(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  hint: Era | null,
  deadline: Deadline,
  signal: AbortSignal,
  profile: Profile = noCapabilities,
): Promise<Wire> {
  const bounds = { clock: context.clock, deadline, signal, name: record.name };
  const endpoint = await within(openEndpoint(context, record), bounds);
  const legacy = (): Promise<Wire> => openLegacy(context, record, profile, endpoint, owner, deadline, signal);
  try {
    const modern = new ModernHttpWire(context, record, endpoint, owner);
    if (hint === "modern") return modern;
    if (hint === "legacy") {
      return await legacy().catch(async (refused: unknown) => {
        if (!isAnswered(refused) || !(await isModern(context, modern, record, deadline, signal)))
          throw refused;
        return modern;
      });
    }
    if (await isModern(context, modern, record, deadline, signal)) return modern;
    return await legacy();
  } catch (error) {
    await endpoint.pool.close();
    throw error;
  }
}

/** What servers of 2024-11-05 answer to a POST where they expect a GET (MCP 2025-11-25, transports, backwards compatibility). */
const olderTransport: ReadonlySet<unknown> = new Set([400, 404, 405]);

async function openLegacy(
  context: WireContext,
  record: ServerRecord,
  profile: Profile,
  endpoint: Endpoint,
  owner: WireOwner,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Wire> {
  try {
    const session = await initializeSession(context, endpoint, record, profile, deadline, signal);
    const wire = new LegacyHttpWire(context, record, profile, endpoint, owner, session);
    wire.start();
    return wire;
  } catch (refused) {
    if (!(refused instanceof Fault) || !olderTransport.has(refused.evidence["status"])) throw refused;
    const wire = await openSse(context, record, profile, endpoint, owner, deadline, signal);
    if (wire === null) throw refused;
    return wire;
  }
}

/** Throws only when the server cannot be reached at all, or we are stopping. */
async function isModern(
  context: WireContext,
  wire: ModernHttpWire,
  record: ServerRecord,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock, limits } = context;
  const patienceMs = Math.min(limits.discoverTimeoutMs, remainingMs(clock, deadline) / 2);
  const probe = ownRequest(record, "server/discover", null, deadlineIn(clock, patienceMs), signal);
  try {
    let reply = await wire.exchange(probe);
    // It refuses the version that it names as its own: a server in the middle of an upgrade, or one that wants to be asked twice.
    if (namesOurVersion(reply)) reply = await wire.exchange(probe);
    wire.described = modernDescription(reply);
    return wire.described !== null;
  } catch (error) {
    if (isAnswered(error)) return false;
    throw error;
  }
}

/** "Unsupported version", with ours among the supported ones (MCP 2026-07-28, basic/versioning). */
function namesOurVersion(reply: UpstreamReply): boolean {
  if (reply.kind !== "rejected" || reply.error.code !== -32022) return false;
  const { data } = reply.error;
  const supported = isObject(data) ? data["supported"] : null;
  return Array.isArray(supported) && supported.includes(modernVersion);
}

/** The server was there, whatever it said or did not say. */
const isAnswered = (error: unknown): boolean =>
  error instanceof Fault && error.code !== "tool-unavailable" && error.code !== "cancelled";
