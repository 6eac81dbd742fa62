import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isIPv6 } from "node:net";
import { Fault, invariant, nodeHttp } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { ListKind } from "../registry/index.ts";
import { BodyReader } from "./body.ts";
import { Guard } from "./guard.ts";
import { Dispatcher } from "./http-server.ts";
import { createLegacy } from "./legacy/handle.ts";
import { LegacySessions } from "./legacy/sessions.ts";
import { ListenHub } from "./listen-hub.ts";
import { McpEndpoint } from "./mcp.ts";
import { createModern } from "./modern/handle.ts";
import type { EdgeBounds, EdgeOptions } from "./options.ts";
import { edgeBounds } from "./options.ts";
import { PlainConnections } from "./plain/connections.ts";
import { Profiles } from "./profiles.ts";
import { PublicPages } from "./public-pages.ts";
import { Responder } from "./respond.ts";
import { SignInPages } from "./sign-in-pages.ts";
import { StepEndpoint } from "./steps/endpoint.ts";

/** new → start() → listening → stop() → stopped. Starting twice is a mistake, stopping twice is not. */
export class Edge {
  private readonly options: EdgeOptions;
  private readonly bounds: EdgeBounds;
  private readonly dispatcher: Dispatcher;
  private readonly sessions: LegacySessions;
  private readonly hub: ListenHub;
  private server: Server | null = null;
  private plain: PlainConnections | null = null;
  private connections = 0;
  private ownUrl: string | null = null;
  private isStopping = false;
  private stopped: Promise<void> | null = null;

  constructor(options: EdgeOptions) {
    this.options = options;
    this.bounds = { ...edgeBounds, ...options.bounds };
    const { bounds } = this;
    const responder = new Responder(options);
    this.hub = new ListenHub({
      ...options,
      keepAliveMs: bounds.keepAliveCommentMs,
      urisMax: bounds.listenUrisMax,
    });
    const context = { options, bounds, responder, profiles: new Profiles(), hub: this.hub };
    this.sessions = new LegacySessions(context);
    const endpoint = new McpEndpoint({
      ...context,
      bodies: new BodyReader({
        bytesMax: bounds.bodyBytesMax,
        bytesInFlightMax: bounds.bodyBytesInFlightMax,
      }),
      eras: { modern: createModern(context), legacy: createLegacy({ ...context, sessions: this.sessions }) },
    });
    const pages = new PublicPages({ options, responder, endpoint, isStopping: () => this.isStopping });
    this.dispatcher = new Dispatcher({
      clock: options.clock,
      guard: new Guard(options),
      responder,
      endpoint,
      pages,
      api: options.api,
      servesAgents: options.servesAgents ?? true,
      steps: options.runs ? new StepEndpoint({ ...options, runs: options.runs }) : null,
      signIn: options.signIn && new SignInPages({ desk: options.signIn, options, bounds, responder }),
      requestsInFlightMax: bounds.requestsInFlightMax,
    });
  }

  /** Where this machine reaches us, without a path; null = not yet. */
  get url(): string | null {
    return this.ownUrl;
  }

  /** Resolves once we listen; `url` is without a path. */
  async start(): Promise<{ url: string }> {
    const { bounds } = this;
    const server = nodeHttp().createServer(
      {
        maxHeaderSize: bounds.headerBytesMax,
        headersTimeout: bounds.headersTimeoutMs,
        requestTimeout: bounds.requestTimeoutMs,
        keepAliveTimeout: bounds.idleTimeoutMs,
        connectionsCheckingInterval: bounds.timeoutCheckMs,
        noDelay: true,
      },
      (request, response) => this.dispatcher.dispatch(request, response),
    );
    server.maxConnections = bounds.connectionsMax;
    this.plain = new PlainConnections(
      {
        clock: this.options.clock,
        bounds,
        answer: (request, response) => this.dispatcher.toMcp(request, response),
      },
      server,
    );
    server.on("connection", (socket) => {
      this.connections++;
      socket.once("close", () => this.connections--);
    });
    this.server = server;
    await this.listen(server);
    const { metrics } = this.options;
    metrics.gauge("edgeConnections", () => [{ labels: {}, value: this.connections }]);
    metrics.gauge("edgePlainConnections", () => [{ labels: {}, value: this.plain?.size ?? 0 }]);
    metrics.gauge("edgeInflight", () => [{ labels: {}, value: this.dispatcher.requestsInFlight }]);
    metrics.gauge("edgeListeners", () => [{ labels: {}, value: this.hub.size }]);
    metrics.gauge("edgeSessions", () => [{ labels: {}, value: this.sessions.size }]);
    this.sessions.start();
    // Kept: asking the server is a system call, and every call that waits for people is told of it.
    const url = urlOf(server.address());
    this.ownUrl = url;
    return { url };
  }

  /** Tells everybody of the tenant who listens that these lists are other ones now. */
  listChanged(tenant: TenantId, kinds: readonly ListKind[]): void {
    this.hub.listChanged(tenant, kinds);
  }

  /**
   * From now on new work gets 503 and its connection ends. What is in flight may finish for `graceMs`; then every connection is
   * cut, which aborts the signals of what is left.
   */
  stop(graceMs: number): Promise<void> {
    this.stopped ??= this.drain(graceMs);
    return this.stopped;
  }

  private async drain(graceMs: number): Promise<void> {
    this.isStopping = true;
    this.dispatcher.refuseNewWork();
    const { server } = this;
    if (server === null) return;
    this.hub.endAll();
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.after(graceMs, resolve);
      void this.dispatcher.idle().then(() => {
        cancel();
        resolve();
      });
    });
    this.sessions.stop();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
      this.plain?.closeAll();
    });
  }

  private listen(server: Server): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        reject(new Fault("config-invalid", `cannot listen on ${host}:${port}`, { cause }));
      });
      server.listen({ host, port }, () => {
        server.removeAllListeners("error");
        server.on("error", (error) => this.options.log.error("the HTTP server failed", { error }));
        resolve();
      });
    });
  }
}

/** Who listens on every address is reached on loopback. */
function urlOf(address: AddressInfo | string | null): string {
  invariant(address !== null && typeof address !== "string", "we listen on an address and a port");
  const { address: host, port } = address;
  switch (host) {
    case "0.0.0.0":
      return `http://127.0.0.1:${port}`;
    case "::":
      return `http://[::1]:${port}`;
    default:
      return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  }
}
