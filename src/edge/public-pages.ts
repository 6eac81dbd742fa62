import type { IncomingMessage, ServerResponse } from "node:http";
import { isInScope } from "../identity/index.ts";
import { approvalFile, approvalHeaders } from "./approval-page.ts";
import type { EdgeOptions } from "./options.ts";
import type { McpEndpoint } from "./mcp.ts";
import { mcpScopes } from "./needed-scope.ts";
import { ownBase } from "./own-base.ts";
import type { Responder } from "./respond.ts";

/** The few pages beside /mcp. Returns false when `path` is none of them. */
export class PublicPages {
  private readonly options: EdgeOptions;
  private readonly responder: Responder;
  private readonly endpoint: McpEndpoint;
  private readonly isStopping: () => boolean;

  constructor(parts: {
    options: EdgeOptions;
    responder: Responder;
    endpoint: McpEndpoint;
    isStopping: () => boolean;
  }) {
    this.options = parts.options;
    this.responder = parts.responder;
    this.endpoint = parts.endpoint;
    this.isStopping = parts.isStopping;
  }

  /**
   * For whoever decides whether to restart us (alive) or to send us work (ready): neither knows our name or has a token. What all
   * nodes would have at once, and serve with nevertheless, is left out of `/readyz/serving`: a balancer would be left without any.
   */
  async probe(path: string, response: ServerResponse): Promise<boolean> {
    if (path === "/healthz") {
      this.json(response, 200, '{"alive":true}');
      return true;
    }
    if (path !== "/readyz" && path !== "/readyz/serving") return false;
    const { notReady, degraded = [] } = this.options.readiness();
    const troubles = path === "/readyz" ? [...notReady, ...degraded] : notReady;
    const waitingFor = this.isStopping() ? ["shutting down"] : troubles;
    this.json(
      response,
      waitingFor.length === 0 ? 200 : 503,
      JSON.stringify({ ready: waitingFor.length === 0, waitingFor }),
    );
    return true;
  }

  /**
   * For Prometheus, which asks every node under its own address, also while it stops. A page that made its name point at us has no
   * token, so with one the Host says nothing more; where none is asked for, `answer` serves it after the Host was checked.
   */
  async scrape(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (path !== "/metrics" || !this.options.metricsNeedToken) return false;
    await this.metrics(request, response);
    return true;
  }

  /** Takes forms as well, unlike the other pages. False = not offered here. */
  async callback(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { oauthCallback = null } = this.options;
    if (oauthCallback === null) return false;
    await oauthCallback(request, response);
    return true;
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    switch (path) {
      case "/":
        if (this.options.home !== null) await this.options.home(request, response);
        else this.responder.send(response, "public", 200, "text/plain; charset=utf-8", this.aboutText());
        return true;
      case "/metrics":
        await this.metrics(request, response);
        return true;
      case "/.well-known/jwks.json":
        this.json(response, 200, await this.options.jwks());
        return true;
      case "/oauth/client.json": {
        const { clientMetadata = null } = this.options;
        if (clientMetadata === null) return false;
        this.responder.json(response, "public", 200, clientMetadata, [
          "Cache-Control",
          "public, max-age=300",
        ]);
        return true;
      }
      case "/.well-known/oauth-protected-resource":
      case "/.well-known/oauth-protected-resource/mcp":
        this.json(response, 200, this.protectedResourceText(request));
        return true;
      default:
        return this.approval(path, response);
    }
  }

  /** The page of an approval. It asks the API for what it shows, so it is there only where that is. */
  private approval(path: string, response: ServerResponse): boolean {
    const file = this.options.api === null ? null : approvalFile(path);
    if (file === null) return false;
    this.responder.send(response, "public", 200, file.contentType, file.text, approvalHeaders);
    return true;
  }

  private async metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, metricsNeedToken } = this.options;
    if (metricsNeedToken) {
      const authenticate = this.endpoint.authenticator(request);
      const who = authenticate.ok ? await authenticate.value() : authenticate;
      if (!who.ok) {
        this.endpoint.challenge(request, response, who.refusal, request.headers.authorization !== undefined);
        return;
      }
      // What a client got for its agent at /mcp does not show it which servers and tools there are beyond those of its agent.
      if (!isInScope(who.value, "admin")) {
        const detail = "The token is limited to other things; this needs the scope admin.";
        this.responder.refuseUnread(request, response, "public", { code: "forbidden", detail });
        return;
      }
    }
    this.responder.send(response, "public", 200, metrics.contentType, await metrics.text(), noStore);
  }

  private json(response: ServerResponse, status: number, text: string): void {
    this.responder.json(response, "public", status, text, noStore);
  }

  /** RFC 9728. */
  private protectedResourceText(request: IncomingMessage): string {
    const { publicUrl, serverInfo, signIn } = this.options;
    const base = ownBase(publicUrl, request.headers.host);
    return JSON.stringify({
      resource: `${base}/mcp`,
      resource_name: serverInfo.title ?? serverInfo.name,
      ...(signIn === null ? {} : { authorization_servers: [base] }),
      scopes_supported: mcpScopes,
      bearer_methods_supported: ["header"],
    });
  }

  private aboutText(): string {
    const { name, version } = this.options.serverInfo;
    return `${name} ${version}\n\nMCP is at /mcp (POST, with a token). See also /healthz, /readyz and /metrics.\n`;
  }
}

const noStore: readonly string[] = ["Cache-Control", "no-store"];
