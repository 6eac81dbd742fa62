import type { Result } from "../../base/index.ts";
import { ok } from "../../base/index.ts";
import type { CallInput } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { ListKind, Profile } from "../../registry/index.ts";
import type { JsonObject } from "../envelope.ts";
import type { Exchange, McpResponse } from "../exchange.ts";
import type { ListenHub } from "../listen-hub.ts";
import type { ListenEnd, ListenEvent, Listener, Listening } from "../listening.ts";
import { ownerOf } from "../owner.ts";
import { eventText, isBehind, keepAliveText } from "../sse.ts";

/** Several streams are allowed (2025-11-25, transports); more than this are connections that a client has forgotten. */
const streamsMax = 3;

export interface SessionListenerOptions {
  readonly hub: ListenHub;
  /** A reader this far behind is not reading. */
  readonly bytesWaitingMax: number;
  readonly profile: Profile;
  /** When the last stream or subscription has gone, whoever ended it. */
  readonly onNothingLeft: () => void;
}

/**
 * What one session hears of changes: its GET streams, of which the newest is told, and the resources it subscribed to. It may
 * subscribe before it has a stream, and lose one: updates of that time are told on the next.
 */
export class SessionListener implements Listener {
  readonly profile: Profile;
  readonly meta: JsonObject = {};
  readonly kinds: readonly ListKind[] = ["tools", "resources", "prompts"];
  private readonly options: SessionListenerOptions;
  private owner: Principal;
  private askAgain: CallInput["authenticate"];
  private listening: Listening | null = null;
  /** Oldest first. */
  private readonly streams: McpResponse[] = [];
  private readonly uris = new Set<string>();
  private readonly missed = new Set<string>();

  constructor(options: SessionListenerOptions, exchange: Exchange) {
    this.options = options;
    this.owner = exchange.principal;
    this.profile = options.profile;
    this.askAgain = exchange.authenticate;
  }

  get principal(): Principal {
    return this.owner;
  }

  /** With the token of the session's last request: tokens are shorter-lived than sessions. */
  get authenticate(): CallInput["authenticate"] {
    return this.askAgain;
  }

  renewToken(exchange: Exchange): void {
    this.askAgain = exchange.authenticate;
  }

  get isNeeded(): boolean {
    return this.streams.length > 0 || this.uris.size > 0;
  }

  get hasStream(): boolean {
    return this.streams.length > 0;
  }

  /** One GET more; `begin` sends its headers. Refused only when we stop. */
  attach(response: McpResponse, begin: () => void): Result<null> {
    const isAnew = this.listening === null && this.uris.size > 0;
    const opened = this.open();
    if (!opened.ok) {
      this.letGo();
      return opened;
    }
    begin();
    if (isAnew) void this.subscribeAnew();
    if (this.streams.length >= streamsMax) this.streams.shift()?.end();
    this.streams.push(response);
    response.once("close", () => {
      const at = this.streams.indexOf(response);
      if (at !== -1) this.streams.splice(at, 1);
      this.letGo();
    });
    for (const uri of this.missed) this.tell({ kind: "resource", uri });
    return ok(null);
  }

  async subscribe(uri: string, meta?: JsonObject): Promise<Result<null>> {
    const opened = this.open();
    if (!opened.ok) {
      this.letGo();
      return opened;
    }
    this.uris.add(uri);
    const made = await opened.value.subscribe(uri, meta);
    // A second wish for the same one is answered by the first, so only a refusal of this one takes it back.
    if (!made.ok) this.forget(uri);
    return made;
  }

  unsubscribe(uri: string): void {
    this.listening?.unsubscribe(uri);
    this.forget(uri);
  }

  /** A message of ours that belongs to the session: on the newest stream that is read. False = there is none. */
  send(json: string): boolean {
    for (let at = this.streams.length - 1; at >= 0; at--) {
      const stream = this.streams[at];
      if (stream === undefined || stream.destroyed || stream.writableEnded) continue;
      if (isBehind(stream, this.options.bytesWaitingMax)) {
        stream.destroy();
        continue;
      }
      stream.write(eventText(json));
      return true;
    }
    return false;
  }

  // For the hub, which never has to end us for being behind: streams that are not read end by themselves.

  tell(event: ListenEvent): boolean {
    if (this.send(notification(event))) {
      if (event.kind === "resource") this.missed.delete(event.uri);
    } else if (event.kind === "resource" && this.missed.size < this.uris.size) this.missed.add(event.uri);
    return true;
  }

  keepAlive(): boolean {
    for (const stream of this.streams) {
      if (isBehind(stream, this.options.bytesWaitingMax)) stream.destroy();
      else stream.write(keepAliveText);
    }
    return true;
  }

  end(why: ListenEnd): void {
    this.listening = null;
    switch (why.kind) {
      case "changed":
        void this.subscribeAnew();
        return;
      case "refused":
        // A token may just have run out: the client comes back with a new one, and finds what it subscribed to.
        for (const stream of this.streams.splice(0)) stream.end();
        this.letGo();
        return;
      case "behind":
      case "nothing":
      case "stopping":
        this.close();
    }
  }

  close(): void {
    this.uris.clear();
    this.missed.clear();
    for (const stream of this.streams.splice(0)) stream.end();
    this.letGo();
  }

  /** Whoever it is may have other rights now: each subscription is asked for again, and those that are refused are gone. */
  private async subscribeAnew(): Promise<void> {
    try {
      const who = await this.askAgain();
      if (!who.ok || ownerOf(who.value) !== ownerOf(this.owner)) {
        this.close();
        return;
      }
      this.owner = who.value;
      if (this.isNeeded) this.open();
      for (const uri of this.uris) await this.subscribe(uri);
    } catch {
      this.close(); // who it is cannot be said now: the client comes back
    }
  }

  private open(): Result<Listening> {
    if (this.listening !== null) return ok(this.listening);
    const opened = this.options.hub.open(this);
    if (opened.ok) {
      this.listening = opened.value;
      opened.value.begin();
    }
    return opened;
  }

  private forget(uri: string): void {
    this.uris.delete(uri);
    this.missed.delete(uri);
    this.letGo();
  }

  private letGo(): void {
    if (this.isNeeded) return;
    this.listening?.close();
    this.listening = null;
    this.options.onNothingLeft();
  }
}

function notification(event: ListenEvent): string {
  switch (event.kind) {
    case "list":
      return `{"jsonrpc":"2.0","method":"notifications/${event.list}/list_changed"}`;
    case "resource":
      return JSON.stringify({
        jsonrpc: "2.0",
        method: "notifications/resources/updated",
        params: { uri: event.uri },
      });
  }
}
