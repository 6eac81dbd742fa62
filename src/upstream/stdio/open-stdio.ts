import type { Deadline } from "../../base/index.ts";
import { delay, Fault } from "../../base/index.ts";
import type { Era, Profile, ServerRecord } from "../../registry/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import { initialized, modernDescription } from "../handshake.ts";
import { ownRequest } from "../own-request.ts";
import { initializeParams, modernEnvelope, notificationText } from "../request-text.ts";
import { MultiplexedWire } from "../multiplexed-wire.ts";
import { Trouble } from "../trouble.ts";
import type { Described, Wire, WireContext, WireOwner } from "../wire.ts";
import { within } from "../within.ts";
import { StdioPeer } from "./stdio-peer.ts";

/**
 * Starts the server's process and finds out its era on that same process: servers of the older era answer `server/discover`
 * with "method not found" even before `initialize`, and go on. One that dies of it is started once more without the question;
 * one that leaves it unanswered gets `initialize` too, and whichever is answered first decides. `profile`: the capabilities that a
 * legacy connection declares, for good; a modern one serves every profile.
 */
export async function openStdio(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  hint: Era | null,
  deadline: Deadline,
  signal: AbortSignal,
  profile: Profile = noCapabilities,
): Promise<Wire> {
  const bounds = { clock: context.clock, deadline, signal, name: record.name };
  const first = await startPeer(context, record, owner, bounds);
  try {
    return settled(first, await shakeHands(context, record, first, hint, deadline, signal, profile));
  } catch (error) {
    await first.close();
    const diedOfDiscover =
      first.stream.trouble !== null && hint !== "legacy" && error instanceof DiedOfDiscover;
    if (!diedOfDiscover) throw error;
  }
  const second = await startPeer(context, record, owner, bounds);
  try {
    return settled(second, await shakeHands(context, record, second, "legacy", deadline, signal, profile));
  } catch (error) {
    await second.close();
    throw error;
  }
}

function settled(peer: StdioPeer, wire: Wire): Wire {
  peer.stream.era = wire.era;
  return wire;
}

class DiedOfDiscover extends Trouble {}

async function startPeer(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  bounds: Parameters<typeof within>[1],
): Promise<StdioPeer> {
  const { transport } = record;
  if (transport.kind !== "stdio") throw new Trouble("correctness", "this server has no command");
  const env: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [name, source] of Object.entries(transport.env)) {
    if ("vault" in source) {
      const value = await within(context.reveal(record.tenant, source.vault), bounds);
      secrets.push(value);
      env[name] = value;
    } else {
      env[name] = source.literal;
    }
  }
  const child = await context.children.spawn({
    command: transport.command,
    args: transport.args,
    env,
    cwd: transport.cwd,
  });
  return new StdioPeer({
    child,
    serverName: record.name,
    resultBytesMax: record.resultBytesMax,
    limits: context.limits,
    clock: context.clock,
    owner,
    secrets,
  });
}

async function shakeHands(
  context: WireContext,
  record: ServerRecord,
  peer: StdioPeer,
  hint: Era | null,
  deadline: Deadline,
  signal: AbortSignal,
  profile: Profile,
): Promise<Wire> {
  const { stream } = peer;
  const envelope = modernEnvelope(context.clientVersion);
  const wire = (described: Described, ofEra: string): Wire =>
    new MultiplexedWire({
      clock: context.clock,
      record,
      stream,
      described,
      envelope: ofEra,
      close: () => peer.close(),
    });
  /** null = it does not offer the modern era. */
  const discover = async (): Promise<Wire | null> => {
    const asked = ownRequest(record, "server/discover", null, deadline, signal);
    const described = modernDescription(await stream.send(asked, envelope));
    return described === null ? null : wire(described, envelope);
  };
  const initialize = async (): Promise<Wire> => {
    const params = initializeParams(context.clientVersion, profile);
    const reply = await stream.send(ownRequest(record, "initialize", params, deadline, signal), "");
    const { described } = initialized(reply, record.name);
    peer.post(notificationText("notifications/initialized", null));
    return wire(described, "");
  };

  if (hint === "legacy") {
    try {
      return await initialize();
    } catch (refused) {
      if (stream.trouble !== null) throw stream.trouble;
      const modern = await discover();
      if (modern === null) throw refused;
      return modern;
    }
  }
  const discovered = discover();
  const silence = delay(context.clock, context.limits.discoverTimeoutMs).then(() => "silence" as const);
  const soon = await Promise.race([discovered, silence]).catch((error: unknown) => {
    const { trouble } = stream;
    if (trouble !== null) throw new DiedOfDiscover(trouble.healthCause, trouble.message);
    throw error;
  });
  if (soon === null) return initialize();
  if (soon !== "silence") return soon;
  return firstToSucceed(
    discovered.then((modern) => modern ?? noModern(record.name)),
    initialize(),
  );
}

async function firstToSucceed(discovered: Promise<Wire>, legacy: Promise<Wire>): Promise<Wire> {
  try {
    return await Promise.any([discovered, legacy]);
  } catch {
    return legacy; // its reason is the one that tells more
  }
}

function noModern(serverName: string): never {
  throw new Fault("upstream-rejected", `${serverName} does not offer the modern era`);
}
