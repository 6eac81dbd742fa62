import type { Clock } from "../../base/index.ts";
import { deadlineIn } from "../../base/index.ts";
import type { AddressScope, Net, ResponseHeaders } from "../../net/index.ts";
import { Trouble } from "../trouble.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import { isLoopbackHost } from "./loopback.ts";

/** Discovery documents, registrations and token answers: the largest seen has 8 KB. */
const answerBytesMax = 256 * 1024;
/** One request to an authorization server; a person or a call waits for it. */
const requestTimeoutMs = 10_000;

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * How the OAuth functions reach the network: through our client, with its guard. What a server's metadata names is a stranger's
 * word, so an address that is not public is only followed at the host of the server itself, or of the issuer that its record
 * names, and only as far as the record's origin allows. Nothing is redirected, and plain http is for loopback or the server's
 * own host.
 */
export function guardedFetch(context: OAuthContext, server: OAuthServer): Fetch {
  const trusted = new Set([server.url.hostname]);
  const { issuer } = server.settings;
  if (issuer !== undefined && URL.canParse(issuer)) trusted.add(new URL(issuer).hostname);
  const allowed = context.allowedFor(server.record);
  return async (input, init = {}) => {
    const url = new URL(input);
    const isTrusted = trusted.has(url.hostname);
    const isPlain = url.protocol === "http:";
    const mayBePlain = isLoopbackHost(url.hostname) || (isTrusted && server.url.protocol === "http:");
    if (url.protocol !== "https:" && !(isPlain && mayBePlain)) {
      throw new Trouble("correctness", `${url.origin} is not https, so nothing is sent there`);
    }
    return send(context.net, context.clock, url, init, isTrusted ? allowed : []);
  };
}

async function send(
  net: Net,
  clock: Clock,
  url: URL,
  init: RequestInit,
  allow: readonly AddressScope[],
): Promise<Response> {
  const pool = net.openPool({ url, allow, connectionsMax: 1 });
  try {
    const headers = [...new Headers(init.headers)].flat();
    const { body } = init;
    const { status, ...answer } = await pool.request({
      method: init.method?.toUpperCase() === "POST" ? "POST" : "GET",
      path: `${url.pathname}${url.search}`,
      headers,
      body: body instanceof URLSearchParams || typeof body === "string" ? String(body) : null,
      deadline: deadlineIn(clock, requestTimeoutMs),
      signal: null,
      responseBytesMax: answerBytesMax,
    });
    if (status >= 300 && status < 400) {
      throw new Trouble(
        "correctness",
        `${url.origin} redirects (HTTP ${status}); redirects are not followed`,
      );
    }
    const isBare = status === 204 || status === 205;
    return new Response(isBare ? null : new Uint8Array(answer.body), {
      status,
      headers: headersOf(answer.headers),
    });
  } finally {
    await pool.close();
  }
}

function headersOf(received: ResponseHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) headers.append(name, each);
    }
  }
  return headers;
}
