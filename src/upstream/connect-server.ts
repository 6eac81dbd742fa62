import type { Deadline } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { Era, Profile, ServerRecord } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import { openHttp } from "./http/open-http.ts";
import type { Listed } from "./lists/read-catalogue.ts";
import { withAdvice } from "./oauth/advise.ts";
import type { LinkContext } from "./server-link.ts";
import { ServerLink } from "./server-link.ts";
import { openStdio } from "./stdio/open-stdio.ts";
import type { WireOwner } from "./wire.ts";

export interface Connecting {
  readonly context: LinkContext;
  readonly record: ServerRecord;
  readonly owner: WireOwner;
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
  readonly onCount: (what: UpstreamCount) => void;
}

/**
 * A link that is connected and listed, or a thrown Fault or Trouble with nothing left open. A remembered modern era of an HTTP
 * server is taken at its word; that it no longer holds shows at the listing, and then the era is found out anew.
 */
export async function connectServer(
  connecting: Connecting,
): Promise<{ readonly link: ServerLink; readonly listed: Listed }> {
  const { record, signal } = connecting;
  try {
    return await connectAs(connecting, record.era).catch((error: unknown) => {
      const isAnotherEra =
        record.era === "modern" &&
        record.transport.kind === "http" &&
        error instanceof Fault &&
        error.code !== "tool-unavailable" &&
        !signal.aborted;
      if (!isAnotherEra) throw error;
      return connectAs(connecting, null);
    });
  } catch (error) {
    throw withAdvice(record, error);
  }
}

async function connectAs(
  connecting: Connecting,
  hint: Era | null,
): Promise<{ readonly link: ServerLink; readonly listed: Listed }> {
  const link = await openLink(connecting, hint, noCapabilities);
  const { deadline, signal, onCount } = connecting;
  const mayLackTools = hint !== "modern";
  try {
    const options = { deadline, signal, mayLackTools, before: null, onCount };
    return { link, listed: await link.list(noCapabilities, options) };
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** One more connection to a legacy server, which is told these capabilities. */
export async function connectProfile(connecting: Connecting, profile: Profile): Promise<ServerLink> {
  const { record } = connecting;
  try {
    return await openLink(connecting, "legacy", profile);
  } catch (error) {
    throw withAdvice(record, error);
  }
}

async function openLink(connecting: Connecting, hint: Era | null, profile: Profile): Promise<ServerLink> {
  const { context, record, owner, deadline, signal } = connecting;
  const open = record.transport.kind === "stdio" ? openStdio : openHttp;
  const wire = await open(context, record, owner, hint, deadline, signal, profile);
  return new ServerLink(wire, profile, context, record);
}
