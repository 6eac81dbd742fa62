import type { Refusal } from "../../contract/index.ts";
import type { MonotonicMs, Result } from "../base/index.ts";
import { ok, parseStrictBytes, refuse } from "../base/index.ts";
import type { CallInput } from "../calls/index.ts";
import type { Principal, TokenScope } from "../identity/index.ts";
import { isInScope } from "../identity/index.ts";
import { bearerToken } from "./bearer.ts";
import type { BodyReader } from "./body.ts";
import { classify } from "./classify.ts";
import type { ModernMessage } from "./classify.ts";
import { isObject } from "./envelope.ts";
import type { Exchange, McpRequest, McpResponse } from "./exchange.ts";
import { mcpScopes, neededScope } from "./needed-scope.ts";
import type { EdgeBounds, EdgeOptions } from "./options.ts";
import { ownBase } from "./own-base.ts";
import type { Responder } from "./respond.ts";
import { closeAfter, closeHeader } from "./respond.ts";
import type { RequestId } from "./wire.ts";

/** What a stream that is opened by GET is, in the words of the newer era. */
const listening = "subscriptions/listen";

export interface Eras {
  readonly modern: (exchange: Exchange, message: ModernMessage) => void;
  /** `body` is null for GET and DELETE. */
  readonly legacy: (exchange: Exchange, body: unknown) => void;
}

/**
 * One request to /mcp. In this order, cheapest and least revealing first: HTTP method, media types, who is asking, then the
 * body; then its era takes over. Nobody without a valid token makes us read a body, except a small one that came with its head
 * (`plain/`), and of those all together no more than of bodies that are being read.
 */
export class McpEndpoint {
  private readonly options: EdgeOptions;
  private readonly bounds: EdgeBounds;
  private readonly responder: Responder;
  private readonly bodies: BodyReader;
  private readonly eras: Eras;

  constructor(parts: {
    options: EdgeOptions;
    bounds: EdgeBounds;
    responder: Responder;
    bodies: BodyReader;
    eras: Eras;
  }) {
    this.options = parts.options;
    this.bounds = parts.bounds;
    this.responder = parts.responder;
    this.bodies = parts.bodies;
    this.eras = parts.eras;
  }

  handle(request: McpRequest, response: McpResponse, receivedAt: MonotonicMs): void {
    const form = formProblem(request);
    if (form !== null) {
      const headers = form.code === "method-not-allowed" ? ["Allow", "POST"] : [];
      this.responder.refuseUnread(request, response, "modern", form, headers);
      return;
    }
    const authenticate = this.authenticator(request);
    if (!authenticate.ok) {
      this.challenge(request, response, authenticate.refusal, true);
      return;
    }
    const principal = authenticate.value();
    const proceed = (found: Result<Principal>) => {
      if (!found.ok) {
        this.challenge(request, response, found.refusal, request.headers.authorization !== undefined);
        return;
      }
      this.admitted({
        request,
        response,
        receivedAt,
        principal: found.value,
        authenticate: authenticate.value,
      });
    };
    if (!(principal instanceof Promise)) proceed(principal);
    else
      principal.then(proceed).catch((thrown: unknown) => {
        this.responder.fail(response, "modern", "authenticating", thrown);
      });
  }

  /** Whether this request may be answered at all, outside MCP: for /metrics. */
  authenticator(request: McpRequest): Result<CallInput["authenticate"]> {
    const token = bearerToken(request.headers.authorization, this.bounds.tokenCharsMax);
    if (!token.ok) return token;
    const { anonymousPrincipal, holderOf } = this.options;
    if (token.value !== null) return ok(holderOf(token.value));
    if (anonymousPrincipal !== null) return ok(() => ok(anonymousPrincipal));
    return ok(() => refuse<Refusal>({ code: "unauthenticated", detail: "" }));
  }

  /** 401 with where to find out how to get a token (RFC 9728 section 5.1, RFC 6750 section 3). */
  challenge(request: McpRequest, response: McpResponse, refusal: Refusal, hadToken: boolean): void {
    const error = hadToken ? "invalid_token" : null;
    const value = this.challengeText(request, error, mcpScopes);
    this.responder.refuseUnread(request, response, "modern", refusal, ["WWW-Authenticate", value]);
  }

  /** False = the token is limited to less, and that was answered: 403 with all that the next token needs (RFC 6750 section 3.1). */
  private isInScope(exchange: Exchange, method: unknown, id: RequestId): boolean {
    const { principal, request, response } = exchange;
    const needed = neededScope(method);
    if (needed === null || isInScope(principal, needed)) return true;
    // What it has and what it lacks: a client that asks for the missing alone would lose the rest.
    const all = mcpScopes.filter((scope) => scope === needed || isInScope(principal, scope));
    const challenge = this.challengeText(request, "insufficient_scope", all);
    const detail = `The token is limited to other things; this needs the scope ${needed}.`;
    const refusal: Refusal = { code: "forbidden", detail, evidence: { needed, has: principal.scopes } };
    this.responder.refuse(response, "modern", refusal, { id, headers: ["WWW-Authenticate", challenge] });
    return false;
  }

  private challengeText(
    request: McpRequest,
    error: "invalid_token" | "insufficient_scope" | null,
    scopes: readonly TokenScope[],
  ): string {
    const base = ownBase(this.options.publicUrl, request.headers.host);
    const parts = [
      `resource_metadata="${base}/.well-known/oauth-protected-resource/mcp"`,
      `scope="${scopes.join(" ")}"`,
      ...(error === null ? [] : [`error="${error}"`]),
    ];
    return `Bearer ${parts.join(", ")}`;
  }

  private admitted(exchange: Exchange): void {
    const { request, response } = exchange;
    if (request.method !== "POST") {
      if (request.method === "GET" && !this.isInScope(exchange, listening, null)) return;
      this.eras.legacy(exchange, null);
      return;
    }
    this.bodies.read(request, (body) => {
      if (body === null) return; // the client went away
      if (!body.ok) {
        this.responder.refuse(response, "modern", body.refusal, { headers: closeHeader });
        closeAfter(request, this.responder.clock);
        return;
      }
      let id: RequestId = null;
      try {
        const parsed = parseStrictBytes(body.value);
        if (!parsed.ok) {
          this.responder.refuse(response, "modern", parsed.refusal);
          return;
        }
        id = idOf(parsed.value);
        this.route(exchange, parsed.value, id);
      } catch (thrown) {
        this.responder.fail(response, "modern", "answering a message", thrown, id);
      }
    });
  }

  private route(exchange: Exchange, body: unknown, id: RequestId): void {
    if (isObject(body) && !this.isInScope(exchange, body["method"], id)) return;
    const { headers } = exchange.request;
    const classified = classify(
      { protocolVersion: text(headers["mcp-protocol-version"]), method: text(headers["mcp-method"]) },
      body,
    );
    switch (classified.kind) {
      case "modern":
        this.eras.modern(exchange, classified);
        return;
      case "legacy":
        this.eras.legacy(exchange, body);
        return;
      case "rejected":
        this.responder.refuse(exchange.response, "modern", classified.refusal, { id, data: classified.data });
    }
  }
}

/** What can be said about a request before anything else is looked at. */
function formProblem(request: McpRequest): Refusal | null {
  const { headers } = request;
  switch (request.method ?? "") {
    case "POST": {
      if (!isJson(headers["content-type"])) {
        return { code: "unsupported-media-type", detail: "" };
      }
      return accepts(headers.accept, "application/json") && accepts(headers.accept, "text/event-stream")
        ? null
        : { code: "not-acceptable", detail: "" };
    }
    // Streams and ends of sessions: the older era alone has them, and only in a session.
    case "GET":
    case "DELETE":
      return headers["mcp-session-id"] === undefined ? { code: "method-not-allowed", detail: "" } : null;
    default:
      return { code: "method-not-allowed", detail: "" };
  }
}

function isJson(contentType: string | undefined): boolean {
  if (contentType === "application/json") return true;
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === "application/json";
}

function accepts(accept: string | undefined, type: string): boolean {
  if (accept === undefined) return false;
  return accept.includes(type) || accept.includes("*/*") || accept.toLowerCase().includes(type);
}

/** The id to answer with, where one can be read. */
function idOf(body: unknown): RequestId {
  const id = isObject(body) ? body["id"] : null;
  return typeof id === "string" || Number.isSafeInteger(id) ? (id as string | number) : null;
}

const text = (header: string | string[] | undefined): string | undefined =>
  header === undefined || typeof header === "string" ? header : header.join(", ");
