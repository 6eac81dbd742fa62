import type { IncomingMessage } from "node:http";
import type { Clock } from "../../base/index.ts";
import { delay } from "../../base/index.ts";
import { isObject } from "../envelope.ts";
import type { Wire } from "./http.ts";
import { WireFailure, bodyOf, eventsOf } from "./http.ts";
import type { Link } from "./link.ts";
import type { StdioRequest } from "./message.ts";
import { Remembered } from "./remembered.ts";
import { oneLine, reasonOf } from "./text.ts";

/** A node that has just gone needs a moment to be replaced, and the client's own end often follows. */
export const againMs = 1_000;
const againMaxMs = 30_000;
/** Ending a session is a courtesy. */
const endGraceMs = 1_000;

export interface SessionOptions {
  readonly clock: Clock;
  readonly link: Link;
  readonly wire: Wire;
  readonly write: (line: string) => void;
  readonly say: (sentence: string) => void;
  /** Aborts when the client has gone. */
  readonly over: AbortSignal;
}

/** The session of a client of the older era with its node, or with the one after it. */
export class Session {
  private readonly options: SessionOptions;
  private readonly remembered = new Remembered();
  private begun: StdioRequest | null = null;
  private id: string | null = null;
  private version = "";
  private beginning: Promise<void> = Promise.resolve();
  private isListening = false;
  private ownIds = 0;

  constructor(options: SessionOptions) {
    this.options = options;
  }

  /** What belongs to the session waits until it has begun, or could not. */
  ready(): Promise<void> {
    return this.beginning;
  }

  /** The client's `initialize` is under way. */
  begins(work: Promise<void>): void {
    this.beginning = work.catch(() => undefined);
  }

  start(request: StdioRequest, response: IncomingMessage, result: unknown): void {
    this.begun = request;
    this.id = sessionIdOf(response);
    const version = isObject(result) ? result["protocolVersion"] : undefined;
    this.version = typeof version === "string" ? version : "";
  }

  headers(): Record<string, string> {
    return {
      ...(this.id === null ? {} : { "mcp-session-id": this.id }),
      ...(this.version === "" ? {} : { "mcp-protocol-version": this.version }),
    };
  }

  note(request: StdioRequest): void {
    this.remembered.note(request);
  }

  /** The node no longer knows the session: another is begun in its place, as the client began it. False = it could not be. */
  async renew(): Promise<boolean> {
    const { begun, id: before } = this;
    if (begun === null) return false;
    // Several requests may find out at once; the first one begins anew for all.
    const again = this.beginning.then(async () => {
      if (this.id !== before) return;
      const { method, params } = begun;
      const text = JSON.stringify({ jsonrpc: "2.0", id: this.ownId(), method, params });
      const id = sessionIdOf(await this.post(text, {}));
      if (id === null) return;
      this.id = id;
      await this.post('{"jsonrpc":"2.0","method":"notifications/initialized"}', this.headers());
      await this.restore();
    });
    this.begins(again);
    await again;
    return this.id !== before;
  }

  /** The stream for what belongs to no request, for as long as the client is there; opened again after it was lost. */
  listen(): void {
    if (this.isListening) return;
    this.isListening = true;
    void this.keepListening()
      .catch((thrown: unknown) => {
        if (!this.options.over.aborted)
          this.options.say(`Nothing is heard of changes any more: ${reasonOf(thrown)}.`);
      })
      .finally(() => {
        this.isListening = false;
      });
  }

  async end(): Promise<void> {
    if (this.id === null) return;
    const { clock, link, wire } = this.options;
    const enough = new AbortController();
    const cancel = clock.after(endGraceMs, () => enough.abort());
    try {
      const headers = this.headers();
      const message = { method: "DELETE", headers, body: null, signal: enough.signal } as const;
      await bodyOf(await wire.send(await link.target(), message));
    } catch {
      // Nobody is there to end it for: a session of which nothing is open costs nothing.
    } finally {
      cancel();
    }
  }

  private async keepListening(): Promise<void> {
    const { clock, link, wire, write, over } = this.options;
    let pauseMs = 0;
    while (!over.aborted) {
      if (pauseMs > 0) await delay(clock, pauseMs, over);
      const target = await link.target();
      try {
        const headers = this.headers();
        const response = await wire.send(target, { method: "GET", headers, body: null, signal: over });
        if (response.statusCode === 200) {
          if (pauseMs > 0) await this.restore();
          pauseMs = 0;
          await eventsOf(response, (data) => {
            if (data !== "" && !over.aborted) write(oneLine(data));
          });
        } else {
          await bodyOf(response);
          if (response.statusCode === 405) return; // not offered
          if (response.statusCode === 404) await this.renew();
        }
      } catch (thrown) {
        if (over.aborted || !(thrown instanceof WireFailure)) throw thrown;
        if (thrown.kind === "not-sent") await link.lost(target);
      }
      pauseMs = Math.min(againMaxMs, Math.max(againMs, pauseMs * 2));
    }
  }

  private async restore(): Promise<void> {
    for (const text of this.remembered.requests(() => this.ownId())) await this.post(text, this.headers());
  }

  /** A message of our own in the client's name; what it is answered is nobody's business. */
  private async post(text: string, headers: Record<string, string>): Promise<IncomingMessage> {
    const { link, wire, over } = this.options;
    const message = { method: "POST", headers, body: text, signal: over } as const;
    const response = await wire.send(await link.target(), message);
    await bodyOf(response);
    return response;
  }

  private ownId(): string {
    return `bridge-${++this.ownIds}`;
  }
}

function sessionIdOf(response: IncomingMessage): string | null {
  const id = response.headers["mcp-session-id"];
  return typeof id === "string" && response.statusCode === 200 ? id : null;
}
