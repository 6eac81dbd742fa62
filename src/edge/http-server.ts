import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, MonotonicMs } from "../base/index.ts";
import type { McpRequest, McpResponse } from "./exchange.ts";
import type { Guard } from "./guard.ts";
import type { McpEndpoint } from "./mcp.ts";
import type { ApiHandler } from "./options.ts";
import type { PublicPages } from "./public-pages.ts";
import type { Responder } from "./respond.ts";
import type { SignInPages } from "./sign-in-pages.ts";
import type { StepEndpoint } from "./steps/endpoint.ts";

/**
 * Where each request goes. Probes first, for they come from machines that do not know our name; then Host and Origin, for
 * everything; then whether we take new work at all.
 */
export class Dispatcher {
  private readonly clock: Clock;
  private readonly guard: Guard;
  private readonly responder: Responder;
  private readonly endpoint: McpEndpoint;
  private readonly pages: PublicPages;
  private readonly api: ApiHandler | null;
  private readonly steps: StepEndpoint | null;
  private readonly signIn: SignInPages | null;
  private readonly servesAgents: boolean;
  private readonly requestsInFlightMax: number;
  private isStopping = false;
  private inFlight = 0;
  private whenIdle: (() => void)[] = [];

  constructor(parts: {
    clock: Clock;
    guard: Guard;
    responder: Responder;
    endpoint: McpEndpoint;
    pages: PublicPages;
    api: ApiHandler | null;
    steps: StepEndpoint | null;
    signIn: SignInPages | null;
    servesAgents: boolean;
    requestsInFlightMax: number;
  }) {
    this.clock = parts.clock;
    this.guard = parts.guard;
    this.responder = parts.responder;
    this.endpoint = parts.endpoint;
    this.pages = parts.pages;
    this.api = parts.api;
    this.steps = parts.steps;
    this.signIn = parts.signIn;
    this.servesAgents = parts.servesAgents;
    this.requestsInFlightMax = parts.requestsInFlightMax;
  }

  get requestsInFlight(): number {
    return this.inFlight;
  }

  refuseNewWork(): void {
    this.isStopping = true;
    this.responder.closeConnectionsFromNowOn();
  }

  /** Resolves as soon as no request is in flight. */
  idle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.whenIdle.push(resolve));
  }

  /** A request to /mcp: the hot path. */
  toMcp(request: McpRequest, response: McpResponse): void {
    const receivedAt = this.begin(response);
    try {
      if (this.mayEnter(request, response) && this.isServed(request, response))
        this.endpoint.handle(request, response, receivedAt);
    } catch (thrown) {
      this.responder.fail(response, "modern", "receiving a message", thrown);
    }
  }

  dispatch(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "/";
    // One string is compared; a query has no meaning at /mcp, and a token in one is not looked at.
    if (url === "/mcp") {
      this.toMcp(request, response);
      return;
    }
    const receivedAt = this.begin(response);
    const query = url.indexOf("?");
    const path = query === -1 ? url : url.slice(0, query);
    this.elsewhere(path, request, response, receivedAt).catch((thrown: unknown) => {
      this.responder.fail(response, "public", `answering ${path.slice(0, 100)}`, thrown);
    });
  }

  private begin(response: McpResponse): MonotonicMs {
    this.inFlight++;
    response.once("close", this.onClose);
    return this.clock.monotonic();
  }

  private readonly onClose = (): void => {
    this.inFlight--;
    if (this.inFlight > 0) return;
    for (const resolve of this.whenIdle.splice(0)) resolve();
  };

  private async elsewhere(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    receivedAt: MonotonicMs,
  ): Promise<void> {
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && (await this.pages.probe(path, response))) return;
    if (isRead && (await this.pages.scrape(path, request, response))) return;
    if (!this.mayEnter(request, response)) return;
    if (path === "/mcp") {
      if (this.isServed(request, response)) this.endpoint.handle(request, response, receivedAt);
      return;
    }
    const hasSteps = this.steps !== null && (this.servesAgents || isFromHere(request));
    if (hasSteps && (await this.steps.handle(request, response))) return;
    if (this.api !== null && (path === "/api/v1" || path.startsWith("/api/v1/"))) {
      await this.api(request, response);
      return;
    }
    if (path === "/oauth/callback" && (await this.pages.callback(request, response))) return;
    if (this.signIn !== null && (await this.signIn.handle(path, request, response))) return;
    if (isRead && (await this.pages.answer(path, request, response))) return;
    const detail = path === "/register" && this.signIn === null ? noRegistration : "";
    this.responder.refuseUnread(request, response, "public", { code: "not-found", detail });
  }

  private isServed(request: McpRequest, response: McpResponse): boolean {
    if (this.servesAgents || isFromHere(request)) return true;
    const detail = "This node has no role that serves agents (node.roles).";
    this.responder.refuseUnread(request, response, "public", { code: "not-found", detail });
    return false;
  }

  private mayEnter(request: McpRequest, response: McpResponse): boolean {
    const { host, origin } = request.headers;
    const problem = this.guard.check(host, origin);
    if (problem !== null) {
      this.responder.refuseUnread(request, response, "public", problem);
      return false;
    }
    if (this.isStopping) {
      this.responder.refuseUnread(request, response, "public", { code: "shutting-down", detail: "" });
      return false;
    }
    if (this.inFlight > this.requestsInFlightMax) {
      const detail = `At most ${this.requestsInFlightMax} requests are in flight.`;
      this.responder.refuseUnread(request, response, "public", { code: "queue-full", detail });
      return false;
    }
    return true;
  }
}

/** A client that was refused, and is told of no authorization server, would register here, and shows its user what it is answered. */
const noRegistration =
  "Clients cannot register here. They need a token from `signalbox agents token`; one that they sent is not valid.";

/** From this machine: the agents that the node itself has started. */
const isFromHere = ({ socket }: McpRequest): boolean =>
  /^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? "");
