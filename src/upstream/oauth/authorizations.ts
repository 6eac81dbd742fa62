import { Fault } from "../../base/index.ts";
import type { ServerId, ServerRecord } from "../../registry/index.ts";
import type { Callback, CallbackVerdict, Started } from "./authorize.ts";
import { finishAuthorization, judgeCallback, startAuthorization, wrongConfirmation } from "./authorize.ts";
import type { OwnAddresses } from "./client-metadata.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import { oauthServer } from "./context.ts";
import type { Credential, Pending } from "./credential.ts";
import type { AuthorizationState } from "./server-authorization.ts";
import { ServerAuthorization } from "./server-authorization.ts";

/** The tokens of all servers that want one. What a person takes part in is done here and kept by the caller, with its entry. */
export class Authorizations {
  private readonly context: OAuthContext;
  /** One per server in use; `keepOnly` drops the rest. */
  private readonly servers = new Map<ServerId, ServerAuthorization>();

  constructor(context: OAuthContext) {
    this.context = context;
  }

  /** null = the server's record asks for no token. Another transport is another authorization. */
  of(record: ServerRecord): ServerAuthorization | null {
    const wanted = oauthServer(record);
    if (wanted === null) return null;
    const known = this.servers.get(record.id);
    if (known !== undefined && isSame(known.server, wanted)) {
      known.server = wanted;
      return known;
    }
    const fresh = new ServerAuthorization(this.context, wanted);
    this.servers.set(record.id, fresh);
    return fresh;
  }

  keepOnly(ids: ReadonlySet<ServerId>): void {
    for (const id of this.servers.keys()) if (!ids.has(id)) this.servers.delete(id);
  }

  /** What is kept has changed: the next request reads it. */
  reload(id: ServerId): void {
    this.servers.get(id)?.reload();
  }

  /** null = the server's record asks for no token. */
  async state(record: ServerRecord): Promise<AuthorizationState | null> {
    return (await this.of(record)?.state()) ?? null;
  }

  /** The verbs below throw Trouble, whose text says what is wrong, and write nothing. */
  start(
    record: ServerRecord,
    kept: Credential,
    own: OwnAddresses,
    secrets: { readonly state: string; readonly confirmation: string },
  ): Promise<Started> {
    return startAuthorization(this.context, demand(record), kept, own, secrets);
  }

  judge(record: ServerRecord, kept: Credential, callback: Callback): CallbackVerdict {
    const server = oauthServer(record);
    return server === null ? { kind: "void" } : judgeCallback(this.context, server, kept, callback);
  }

  wrongConfirmation(kept: Credential, pending: Pending, confirmation: string): Credential | null {
    return wrongConfirmation(kept, pending, confirmation);
  }

  finish(record: ServerRecord, kept: Credential, pending: Pending, code: string): Promise<Credential> {
    return finishAuthorization(this.context, demand(record), kept, pending, code);
  }
}

function demand(record: ServerRecord): OAuthServer {
  const server = oauthServer(record);
  if (server !== null) return server;
  throw new Fault("conflict", `the server ${record.name} has no auth of kind oauth`, { effect: "none" });
}

const isSame = (a: OAuthServer, b: OAuthServer): boolean =>
  a.record.tenant === b.record.tenant &&
  JSON.stringify(a.record.transport) === JSON.stringify(b.record.transport);
