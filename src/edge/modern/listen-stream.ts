import type { McpResponse } from "../exchange.ts";
import type { JsonObject } from "../envelope.ts";
import { envelopeKeys } from "../envelope.ts";
import type { ListenEnd, ListenEvent, Listener } from "../listening.ts";
import { resultBody } from "../splice.ts";
import { eventText, isBehind, keepAliveText } from "../sse.ts";
import { errorBody } from "../wire.ts";

type Parts = Pick<Listener, "principal" | "profile" | "authenticate" | "kinds"> & {
  readonly response: McpResponse;
  /** Of the request that opened it: every message names it. */
  readonly id: string | number;
  readonly bytesWaitingMax: number;
  readonly serverInfo: JsonObject;
};

/** One open answer to `subscriptions/listen`. There may be ten thousand, so it holds little and has no timer of its own. */
export class ListenStream implements Listener {
  readonly principal: Listener["principal"];
  readonly profile: Listener["profile"];
  readonly authenticate: Listener["authenticate"];
  readonly kinds: Listener["kinds"];
  private readonly response: McpResponse;
  private readonly id: string | number;
  private readonly bytesWaitingMax: number;
  private readonly serverInfo: JsonObject;
  /** What this process had handed over to the network by the last keep-alive. */
  private bytesLeft = -1;

  constructor(parts: Parts) {
    this.principal = parts.principal;
    this.profile = parts.profile;
    this.authenticate = parts.authenticate;
    this.kinds = parts.kinds;
    this.response = parts.response;
    this.id = parts.id;
    this.bytesWaitingMax = parts.bytesWaitingMax;
    this.serverInfo = parts.serverInfo;
  }

  /** The first message: what of the request is honoured. */
  acknowledge(notifications: JsonObject): boolean {
    return this.notify("notifications/subscriptions/acknowledged", { notifications });
  }

  tell(event: ListenEvent): boolean {
    switch (event.kind) {
      case "list":
        return this.notify(`notifications/${event.list}/list_changed`, {});
      case "resource":
        return this.notify("notifications/resources/updated", { uri: event.uri });
    }
  }

  /** A task as it stands now. */
  tellTask(task: JsonObject): boolean {
    return this.notify("notifications/tasks", task);
  }

  /** Each keep-alive is written itself: when nothing at all has left since the last one, nobody reads. */
  keepAlive(): boolean {
    const { socket } = this.response;
    const left = socket === null ? this.bytesLeft : socket.bytesWritten - socket.writableLength;
    if (left === this.bytesLeft) return false;
    this.bytesLeft = left;
    this.write(keepAliveText);
    return true;
  }

  /** A graceful end is the empty result of the request; the client listens anew if it likes. */
  end(why: ListenEnd): void {
    if (why.kind === "behind" || isBehind(this.response, this.bytesWaitingMax)) {
      this.response.destroy();
      return;
    }
    const text =
      why.kind === "refused" ? errorBody(this.id, why.refusal) : resultBody(this.id, this.emptyResult());
    this.response.end(eventText(text));
  }

  private notify(method: string, params: JsonObject): boolean {
    const _meta = { [envelopeKeys.subscriptionId]: this.id };
    return this.write(eventText(JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, _meta } })));
  }

  private write(text: string): boolean {
    const { response } = this;
    if (response.destroyed || response.writableEnded) return false;
    if (isBehind(response, this.bytesWaitingMax)) return false;
    response.write(text);
    return true;
  }

  private emptyResult(): string {
    return JSON.stringify({
      resultType: "complete",
      _meta: { [envelopeKeys.subscriptionId]: this.id, [envelopeKeys.serverInfo]: this.serverInfo },
    });
  }
}
