import type { Deadline } from "../../base/index.ts";
import { delay, Fault } from "../../base/index.ts";
import type { Era, ServerRecord } from "../../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import { acceptedVersion, offersModern } from "../handshake.ts";
import { ownRequest } from "../own-request.ts";
import { initializeParams, modernEnvelope, notificationText } from "../request-text.ts";
import { Trouble } from "../trouble.ts";
import type { Wire, WireContext, WireOwner } from "../wire.ts";
import { within } from "../within.ts";
import { StdioPeer } from "./stdio-peer.ts";

/**
 * Starts the server's process and finds out its era on that same process: servers of the older era answer `server/discover`
 * with "method not found" even before `initialize`, and go on. One that dies of it is started once more without the question;
 * one that leaves it unanswered gets `initialize` too, and whichever is answered first decides.
 */
export async function openStdio(
  context: WireContext,
  record: ServerRecord,
  owner: WireOwner,
  hint: Era | null,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Wire> {
  const bounds = { clock: context.clock, deadline, signal, name: record.name };
  const first = await startPeer(context, record, owner, bounds);
  try {
    return await shakeHands(context, record, first, hint, deadline, signal);
  } catch (error) {
    await first.close();
    const diedOfDiscover = first.trouble !== null && hint !== "legacy" && error instanceof DiedOfDiscover;
    if (!diedOfDiscover) throw error;
  }
  const second = await startPeer(context, record, owner, bounds);
  try {
    return await shakeHands(context, record, second, "legacy", deadline, signal);
  } catch (error) {
    await second.close();
    throw error;
  }
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
): Promise<Wire> {
  const envelope = modernEnvelope(context.clientVersion);
  const discover = async (): Promise<boolean> =>
    offersModern(await peer.send(ownRequest(record, "server/discover", null, deadline, signal), envelope));
  const initialize = async (): Promise<void> => {
    const params = initializeParams(context.clientVersion);
    const reply = await peer.send(ownRequest(record, "initialize", params, deadline, signal), "");
    acceptedVersion(reply, record.name);
    peer.notify(notificationText("notifications/initialized", null));
  };
  const modern = (): Wire => new StdioWire(peer, "modern", envelope);
  const legacy = (): Wire => new StdioWire(peer, "legacy", "");

  if (hint === "legacy") {
    const refused = await initialize().then(
      () => null,
      (error: unknown) => error,
    );
    if (refused === null) return legacy();
    if (peer.trouble !== null) throw peer.trouble;
    if (await discover()) return modern();
    throw refused;
  }
  const discovered = discover();
  const silence = delay(context.clock, context.limits.discoverTimeoutMs).then(() => "silence" as const);
  const soon = await Promise.race([discovered, silence]).catch((error: unknown) => {
    if (peer.trouble !== null) throw new DiedOfDiscover(peer.trouble.healthCause, peer.trouble.message);
    throw error;
  });
  if (soon === true) return modern();
  const initialized = initialize();
  if (soon === false) {
    await initialized;
    return legacy();
  }
  return firstToSucceed(
    discovered.then((isModern) => (isModern ? modern() : noModern(record.name))),
    initialized.then(legacy),
  );
}

async function firstToSucceed(discovered: Promise<Wire>, initialized: Promise<Wire>): Promise<Wire> {
  try {
    return await Promise.any([discovered, initialized]);
  } catch {
    return initialized; // its reason is the one that tells more
  }
}

function noModern(serverName: string): never {
  throw new Fault("upstream-rejected", `${serverName} does not offer the modern era`);
}

class StdioWire implements Wire {
  readonly era: Era;
  private readonly peer: StdioPeer;
  private readonly envelope: string;

  constructor(peer: StdioPeer, era: Era, envelope: string) {
    this.peer = peer;
    this.era = era;
    this.envelope = envelope;
  }

  get inFlight(): number {
    return this.peer.inFlight;
  }

  get trouble(): Trouble | null {
    return this.peer.trouble;
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    return this.peer.send(request, this.envelope);
  }

  setParamHeaders(): void {
    // Only HTTP has headers.
  }

  close(): Promise<void> {
    return this.peer.close();
  }
}
