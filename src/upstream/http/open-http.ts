import type { Deadline } from "../../base/index.ts";
import { deadlineIn, Fault, remainingMs } from "../../base/index.ts";
import type { Era, ServerRecord } from "../../registry/index.ts";
import { offersModern } from "../handshake.ts";
import { ownRequest } from "../own-request.ts";
import type { Wire, WireContext, WireOwner } from "../wire.ts";
import { within } from "../within.ts";
import type { Endpoint } from "./endpoint.ts";
import { openEndpoint } from "./endpoint.ts";
import { initializeSession } from "./legacy-session.ts";
import { LegacyHttpWire } from "./legacy-wire.ts";
import { ModernHttpWire } from "./modern-wire.ts";

/**
 * Finds out the era: a known modern server is taken at its word (the first listing shows), a known legacy one is initialized,
 * and an unknown one is asked `server/discover`. Any answer but a fitting one leads to `initialize`: real servers answer an
 * unknown method with everything from -32601 to HTTP 500. A server that cannot be reached is not asked a second time.
 */
export async function openHttp(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  hint: Era | null,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Wire> {
  const bounds = { clock: context.clock, deadline, signal, name: record.name };
  const endpoint = await within(openEndpoint(context, record), bounds);
  try {
    const modern = new ModernHttpWire(context, record, endpoint, owner);
    if (hint === "modern") return modern;
    if (hint === "legacy") {
      return await openLegacy(context, record, endpoint, owner, deadline, signal).catch(
        async (refused: unknown) => {
          if (!isAnswered(refused) || !(await isModern(context, modern, record, deadline, signal)))
            throw refused;
          return modern;
        },
      );
    }
    if (await isModern(context, modern, record, deadline, signal)) return modern;
    return await openLegacy(context, record, endpoint, owner, deadline, signal);
  } catch (error) {
    await endpoint.pool.close();
    throw error;
  }
}

async function openLegacy(
  context: WireContext,
  record: ServerRecord,
  endpoint: Endpoint,
  owner: WireOwner,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Wire> {
  const session = await initializeSession(context, endpoint, record.name, deadline, signal);
  return new LegacyHttpWire(context, record, endpoint, owner, session);
}

/** Throws only when the server cannot be reached at all, or we are stopping. */
async function isModern(
  context: WireContext,
  wire: Wire,
  record: ServerRecord,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock, limits } = context;
  const patienceMs = Math.min(limits.discoverTimeoutMs, remainingMs(clock, deadline) / 2);
  const probe = ownRequest(record, "server/discover", null, deadlineIn(clock, patienceMs), signal);
  try {
    return offersModern(await wire.exchange(probe));
  } catch (error) {
    if (isAnswered(error)) return false;
    throw error;
  }
}

/** The server was there, whatever it said or did not say. */
const isAnswered = (error: unknown): boolean =>
  error instanceof Fault && error.code !== "tool-unavailable" && error.code !== "cancelled";
