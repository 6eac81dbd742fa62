import type { Clock, MonotonicMs } from "../base/index.ts";
import { RecentMap, deadlineIn, elapsedMs, ok, parseStrictBytes, plusMs } from "../base/index.ts";
import type { AddressScope, HttpResponse, Net, Resolve } from "../net/index.ts";
import { NetFailure, nameServers } from "../net/index.ts";
import {
  clientUrlCharsMax,
  documentBytesMax,
  documentKeptMs,
  documentMs,
  documentsRemembered,
  documentsUnderWayMax,
} from "./bounds.ts";
import type { ClientClaims } from "./client-claims.ts";
import { claimsIn, isMetadata } from "./client-claims.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";

interface Remembered {
  readonly claims: ClientClaims;
  readonly until: MonotonicMs;
}

export interface ClientDocumentsOptions {
  readonly net: Net;
  readonly clock: Clock;
  /** Beyond public addresses, which is all that a stranger may have us connect to; for tests. */
  readonly allow?: readonly AddressScope[];
  readonly ca?: string;
  /** Left out = by name servers, and not by the system, whose threads all names share. */
  readonly resolve?: Resolve;
}

/**
 * Clients whose id is the https address of their metadata (OAuth Client ID Metadata Documents). Whoever sends such an id makes this
 * node fetch from a host of their choosing: public addresses only, no redirects, a few at a time, and nothing of the answer but what
 * a registration could say as well is ever shown.
 */
export class ClientDocuments {
  private readonly options: ClientDocumentsOptions;
  private readonly known = new RecentMap<string, Remembered>(documentsRemembered);
  private readonly resolve: Resolve;
  private underWay = 0;

  constructor(options: ClientDocumentsOptions) {
    this.options = options;
    this.resolve = options.resolve ?? nameServers();
  }

  async read(id: string): Promise<Judged<ClientClaims>> {
    if (!isDocumentAddress(id)) return notAnAddress;
    const known = this.known.use(id);
    const { clock } = this.options;
    if (known !== undefined && elapsedMs(known.until, clock.monotonic()) > 0) return ok(known.claims);
    if (this.underWay >= documentsUnderWayMax) return busy;
    this.underWay++;
    try {
      const claims = await this.fetched(id);
      // What was wrong is looked at again: whoever repairs a document tries it at once.
      if (claims.ok)
        this.known.set(id, { claims: claims.value, until: plusMs(clock.monotonic(), documentKeptMs) });
      return claims;
    } finally {
      this.underWay--;
    }
  }

  private async fetched(id: string): Promise<Judged<ClientClaims>> {
    const { net, clock, allow = [], ca } = this.options;
    const url = new URL(id);
    const { resolve } = this;
    const pool = net.openPool({
      url,
      allow,
      connectionsMax: 1,
      resolve,
      ...(ca === undefined ? {} : { ca }),
    });
    try {
      const answer = await pool.request({
        method: "GET",
        path: `${url.pathname}${url.search}`,
        headers: ["accept", "application/json"],
        body: null,
        deadline: deadlineIn(clock, documentMs),
        signal: null,
        responseBytesMax: documentBytesMax,
      });
      return claimsOf(id, answer);
    } catch (thrown) {
      // Which of them it was would tell a stranger what this node can reach.
      if (thrown instanceof NetFailure) return notRead;
      throw thrown;
    } finally {
      await pool.close();
    }
  }
}

/** Section 3 of the draft: https, with a path, without user and fragment; and written as it is read, so that there is one id per document. */
function isDocumentAddress(id: string): boolean {
  if (id.length > clientUrlCharsMax || !URL.canParse(id)) return false;
  const { protocol, username, password, hash, pathname, href } = new URL(id);
  return protocol === "https:" && `${username}${password}${hash}` === "" && pathname !== "/" && href === id;
}

function claimsOf(id: string, { status, headers, body }: HttpResponse): Judged<ClientClaims> {
  const type = String(headers["content-type"] ?? "");
  if (status !== 200 || !/^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i.test(type)) return notRead;
  const parsed = parseStrictBytes(body);
  if (!parsed.ok || !isMetadata(parsed.value)) return notRead;
  const metadata = parsed.value;
  if (metadata["client_id"] !== id)
    return problem("invalid_client", "The metadata document does not name its own address as client_id.");
  const method = metadata["token_endpoint_auth_method"] ?? "none";
  if (method !== "none" || "client_secret" in metadata)
    return problem(
      "invalid_client",
      "Clients have no secret here: token_endpoint_auth_method has to be none.",
    );
  return claimsIn(metadata);
}

const notAnAddress = problem(
  "invalid_client",
  "A client id that is an address has to be https with a path, without a fragment, as a browser writes it.",
);
/** For the person at the browser, who may have an operator to turn to. */
const notRead = problem(
  "invalid_client",
  "The metadata of this program could not be read from its address. Where a node does not reach the internet, its operator sets listen.clientDocuments to false, and programs register instead.",
);
const busy = problem("temporarily_unavailable", "Too many clients are being looked up. Try again.");
