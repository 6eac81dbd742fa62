import type { IncomingMessage } from "node:http";
import type { Clock } from "../../base/index.ts";
import { delay } from "../../base/index.ts";
import { codes } from "../../../contract/index.ts";
import { isObject } from "../envelope.ts";
import { errorBody } from "../wire.ts";
import type { Target } from "./http.ts";
import { Wire, WireFailure, bodyOf, eventsOf, isEventStream } from "./http.ts";
import { ParamHeaders, missesParamHeader } from "./learn.ts";
import type { Link } from "./link.ts";
import type { StdioMessage, StdioRequest } from "./message.ts";
import { isRepeatable, messageFrom } from "./message.ts";
import { modernHeaders } from "./modern-headers.ts";
import { Session, againMs } from "./session.ts";
import { jsonOf, oneLine, reasonOf } from "./text.ts";

export interface BridgeOptions {
  readonly clock: Clock;
  readonly link: Link;
  /** One line to the client, without its line feed. */
  readonly write: (line: string) => void;
  /** For a person who reads the program's errors. */
  readonly say: (sentence: string) => void;
}

/** Requests of the client that are open at once: far more than a person's client sends. */
const openMax = 1_024;
/** How often one request is sent while nodes come and go. */
const triesMax = 4;

interface Open {
  readonly controller: AbortController;
  readonly request: StdioRequest;
}

/** Lines of one client to HTTP requests, and their answers back to lines. */
export class Bridge {
  private readonly options: BridgeOptions;
  private readonly wire = new Wire();
  private readonly session: Session;
  private readonly paramHeaders = new ParamHeaders();
  private readonly open = new Map<string | number, Open>();
  private readonly over = new AbortController();
  private whenIdle: (() => void) | null = null;

  constructor(options: BridgeOptions) {
    this.options = options;
    this.session = new Session({ ...options, wire: this.wire, over: this.over.signal });
  }

  receive(line: string): void {
    const message = messageFrom(line);
    if (message === null) {
      const isJson = jsonOf(line) !== undefined;
      const detail = isJson ? "Send one JSON-RPC message per line, no batches." : "";
      this.options.write(errorBody(null, { code: isJson ? "malformed-request" : "malformed-json", detail }));
      return;
    }
    switch (message.kind) {
      case "request":
        void this.request(message);
        return;
      case "notification":
        if (message.method === "notifications/cancelled" && this.withdrawn(message.params["requestId"]))
          return;
        void this.tell(message);
        return;
      case "answer":
        void this.tell(message);
    }
  }

  /** Waits for the answers to what was asked, at most so long, and ends the session. Nothing is written afterwards. */
  async finish(graceMs: number): Promise<void> {
    for (const { request, controller } of this.open.values())
      if (request.method === "subscriptions/listen") controller.abort();
    if (this.open.size > 0 && graceMs > 0) {
      const idle = new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
      await Promise.race([idle, delay(this.options.clock, graceMs)]);
    }
    this.over.abort();
    for (const { controller } of this.open.values()) controller.abort();
    await this.session.end();
    this.wire.close();
  }

  private async request(request: StdioRequest): Promise<void> {
    const { id } = request;
    if (this.open.size >= openMax || this.open.has(id)) {
      const detail = this.open.has(id) ? "This id is in use." : `At most ${openMax} requests are open.`;
      this.options.write(errorBody(id, { code: "too-many-calls", detail }));
      return;
    }
    const controller = new AbortController();
    this.open.set(id, { controller, request });
    const work = this.carry(request, controller.signal);
    if (begins(request)) this.session.begins(work);
    try {
      await work;
    } catch (thrown) {
      if (!controller.signal.aborted) this.fail(request, thrown);
    } finally {
      this.open.delete(id);
      if (this.open.size === 0) this.whenIdle?.();
    }
  }

  /** Sends until there is an answer, and writes it. Rejects when there is none to be had. */
  private async carry(request: StdioRequest, signal: AbortSignal): Promise<void> {
    if (request.version === null && !begins(request)) await this.session.ready();
    const doneOnce = new Set<"renewed" | "learnt">();
    await this.untilTaken(signal, isRepeatable(request), (target) =>
      this.send(target, request, doneOnce, signal),
    );
  }

  /** Until `send` says true; to another node where one is gone. What may have reached a node is sent again only if that does no harm. */
  private async untilTaken(
    signal: AbortSignal,
    mayRepeat: boolean,
    send: (target: Target) => Promise<boolean>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const target = await this.options.link.target();
      try {
        if (await send(target)) return;
      } catch (thrown) {
        if (signal.aborted || !(thrown instanceof WireFailure) || attempt >= triesMax) throw thrown;
        if (thrown.kind === "lost" && !mayRepeat) throw thrown;
        // Waiting a moment first keeps a node's end from being met by a crowd.
        if (thrown.kind === "lost" || attempt > 1) await delay(this.options.clock, againMs, signal);
        await this.options.link.lost(target);
      }
    }
  }

  /** False = it was refused for a reason that is out of the way now: send it again. */
  private async send(
    target: Target,
    request: StdioRequest,
    doneOnce: Set<"renewed" | "learnt">,
    signal: AbortSignal,
  ): Promise<boolean> {
    const headers = this.headersFor(request);
    const response = await this.wire.send(target, { method: "POST", headers, body: request.text, signal });
    if (isEventStream(response)) {
      await this.pass(request, response);
      return true;
    }
    const text = await bodyOf(response);
    const isOurs = request.version === null && !begins(request);
    if (isOurs && response.statusCode === 404 && !doneOnce.has("renewed")) {
      doneOnce.add("renewed");
      if (await this.session.renew()) return false;
    }
    if (request.version !== null && !doneOnce.has("learnt") && missesParamHeader(text)) {
      doneOnce.add("learnt");
      await this.paramHeaders.learn(this.wire, target, request, signal);
      return false;
    }
    if (isStopping(response, text)) throw goesAway();
    this.answer(request, text, response);
    return true;
  }

  /** An answer in one piece. */
  private answer(request: StdioRequest, text: string, response: IncomingMessage): void {
    if (response.statusCode === 202) return; // withdrawn: no answer is wanted
    const body = jsonOf(text);
    if (!isObject(body) || !("result" in body || "error" in body))
      throw new Error(`it answered with HTTP ${response.statusCode ?? 0} and no JSON-RPC`);
    if (response.statusCode === 401)
      this.options.say(
        "The node does not accept the token: give a valid one with SIGNALBOX_TOKEN or --token.",
      );
    if ("result" in body) {
      if (begins(request)) this.session.start(request, response, body["result"]);
      else if (request.version === null) this.session.note(request);
    }
    // Refusals from before the body was read bear no id.
    this.options.write(
      body["id"] === request.id ? oneLine(text) : JSON.stringify({ ...body, id: request.id }),
    );
  }

  /** An answer as a stream: messages, and the answer last. */
  private async pass(request: StdioRequest, response: IncomingMessage): Promise<void> {
    let isAnswered = false;
    await eventsOf(response, (data) => {
      if (data === "" || this.over.signal.aborted) return;
      const message = jsonOf(data);
      if (isObject(message) && message["id"] === request.id && !("method" in message)) isAnswered = true;
      this.options.write(oneLine(data));
    });
    // In the older era a withdrawn request ends so; in the newer one such a stream was cut.
    if (!isAnswered && request.version !== null) throw new WireFailure("lost", null);
  }

  private headersFor(message: StdioMessage): Record<string, string> {
    if (message.kind === "answer") return this.session.headers();
    const { method, params, version } = message;
    if (version !== null) {
      const declared = method === "tools/call" ? this.paramHeaders.of(params["name"]) : [];
      return modernHeaders(method, params, version, declared);
    }
    return message.kind === "request" && begins(message) ? {} : this.session.headers();
  }

  /** A notification or an answer: nothing comes back, and what cannot be delivered is said. */
  private async tell(message: StdioMessage): Promise<void> {
    const { signal } = this.over;
    try {
      await this.session.ready();
      // An answer opens its question once; a notification says nothing new the second time.
      await this.untilTaken(signal, message.kind === "notification", (target) =>
        this.sendOn(target, message, signal),
      );
      if (message.kind === "notification" && message.method === "notifications/initialized")
        this.session.listen();
    } catch (thrown) {
      if (signal.aborted) return;
      this.options.say(`A message of the client did not reach the node: ${reasonOf(thrown)}.`);
    }
  }

  private async sendOn(target: Target, message: StdioMessage, signal: AbortSignal): Promise<boolean> {
    const headers = this.headersFor(message);
    const response = await this.wire.send(target, { method: "POST", headers, body: message.text, signal });
    const text = await bodyOf(response);
    if (isStopping(response, text)) throw goesAway();
    if (response.statusCode !== 202)
      this.options.say(`The node did not take a message of the client: ${text.slice(0, 300)}`);
    return true;
  }

  /** Over HTTP, the newer era withdraws a request by closing it. False = it is not one of those. */
  private withdrawn(id: unknown): boolean {
    const open = typeof id === "string" || typeof id === "number" ? this.open.get(id) : undefined;
    if (open === undefined || open.request.version === null) return false;
    open.controller.abort();
    return true;
  }

  private fail(request: StdioRequest, thrown: unknown): void {
    if (this.over.signal.aborted) return;
    const mayHaveHappened = thrown instanceof WireFailure && thrown.kind === "lost" && !isRepeatable(request);
    this.options.say(`${request.method} got no answer: ${reasonOf(thrown)}.`);
    const refusal = mayHaveHappened
      ? ({ code: "upstream-lost", detail: "The Signalbox node itself was lost." } as const)
      : ({
          code: "tool-unavailable",
          detail: `The Signalbox node cannot be used: ${reasonOf(thrown)}.`,
        } as const);
    this.options.write(errorBody(request.id, refusal));
  }
}

/** `initialize` of the older era. */
const begins = (request: StdioRequest): boolean =>
  request.method === "initialize" && request.version === null;

const goesAway = (): WireFailure => new WireFailure("not-sent", new Error("the node is stopping"));

/** A node that is going takes nothing on any more, and has done nothing. */
const isStopping = (response: IncomingMessage, text: string): boolean =>
  response.statusCode === codes["shutting-down"].http && text.includes(`${codes["shutting-down"].rpc}`);
