import type { Message } from "../message.ts";
import { Trouble } from "../trouble.ts";
import type { WireOwner } from "../wire.ts";
import type { HttpCall } from "./http-call.ts";

/** A server that cannot be connected to is lost; one that broke off, fell silent or failed needs a look. */
export function tellOwner(owner: WireOwner, call: HttpCall, isClosed: boolean): void {
  if (isClosed) return;
  const failure = call.failure;
  if (failure === null) {
    if (call.status >= 400) owner.onSuspect();
    return;
  }
  switch (failure.kind) {
    case "connect":
    case "dns":
      owner.onLost(new Trouble("dependency", failure.message, failure));
      return;
    case "tls":
    case "refused-address":
      owner.onLost(new Trouble("correctness", failure.message, failure));
      return;
    case "lost":
    case "protocol":
    case "deadline":
      owner.onSuspect();
      return;
    case "forbidden":
    case "aborted":
    case "closed":
    case "too-large":
      return;
  }
}

export function countSideMessage(owner: WireOwner, message: Message): void {
  switch (message.kind) {
    case "result":
    case "error":
      owner.onCount("repeated");
      return;
    case "garbage":
      owner.onCount("garbage");
      return;
    case "request":
      owner.onCount("refused-request");
      return;
    case "notification":
      owner.onNotification(message.method, message.params);
  }
}
