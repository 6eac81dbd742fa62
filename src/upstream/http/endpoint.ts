import type { ServerRecord } from "../../registry/index.ts";
import type { EndpointPool } from "../oauth/authorized-pool.ts";
import { AuthorizedPool } from "../oauth/authorized-pool.ts";
import { clientName } from "../request-text.ts";
import { Trouble } from "../trouble.ts";
import type { WireContext } from "../wire.ts";

/** Where a server's requests go and what each of them carries: from its record alone. */
export interface Endpoint {
  /** Adds the server's own token to each request, where its record asks for one. */
  readonly pool: EndpointPool;
  readonly path: string;
  /** name, value, name, value … */
  readonly headers: readonly string[];
  /** Revealed values, to be cleared from texts. */
  readonly secrets: readonly string[];
}

/** Headers that are the protocol's or the connection's own. */
const reserved =
  /^(host|content-length|content-type|accept|connection|transfer-encoding|upgrade|expect|te|trailer|keep-alive|proxy-.*|mcp-.*)$/i;
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
const headerText = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

export async function openEndpoint(context: WireContext, record: ServerRecord): Promise<Endpoint> {
  if (record.transport.kind !== "http") throw new Trouble("correctness", "this server has no URL");
  const url = parseUrl(record.transport.url);
  const headers = [
    "content-type",
    "application/json",
    "accept",
    "application/json, text/event-stream",
    "user-agent",
    `${clientName}/${context.clientVersion}`,
  ];
  const secrets: string[] = [];
  for (const [name, source] of Object.entries(record.transport.headers)) {
    if (!headerName.test(name))
      throw new Trouble("correctness", `${JSON.stringify(name)} is not a header name`);
    if (reserved.test(name)) throw new Trouble("correctness", `the header ${name} cannot be configured`);
    const isSecret = "vault" in source;
    const value = isSecret ? await context.reveal(record.tenant, source.vault) : source.literal;
    if (!headerText.test(value))
      throw new Trouble(
        "correctness",
        `the value of the header ${name} has characters a header cannot carry`,
      );
    if (isSecret) secrets.push(value);
    headers.push(name, value);
  }
  const authorization = context.authorizations.of(record);
  // Before anything is sent: what is missing is the reason the connection is not made.
  await authorization?.headersFor("POST", url.pathname);
  const plain = context.net.openPool({ url, allow: context.allowedFor(record) });
  const pool = authorization === null ? plain : new AuthorizedPool(plain, authorization, context.clock);
  return { pool, path: `${url.pathname}${url.search}`, headers, secrets };
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw new Trouble("correctness", "the server's URL cannot be read", error);
  }
  if (url.username !== "" || url.password !== "") {
    throw new Trouble(
      "correctness",
      "the server's URL contains a credential; use a header with a vault reference",
    );
  }
  return url;
}
