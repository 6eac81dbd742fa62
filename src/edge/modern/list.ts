import type { ListName, Listing } from "../../calls/index.ts";
import type { ModernMessage } from "../classify.ts";
import { envelopeKeys } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { listPage } from "../list-page.ts";
import { resultBody, withMembers } from "../splice.ts";
import type { ModernContext } from "./context.ts";
import { declaredProfile } from "./context.ts";

/** Lists, page by page; private, because they are filtered by what this caller may use. */
export function answerList(
  context: ModernContext,
  exchange: Exchange,
  message: ModernMessage,
  name: ListName,
): void {
  const { options, responder } = context;
  const { response } = exchange;
  const profile = declaredProfile(context, message);
  const listing = options.calls.list(name, exchange.principal, profile);
  if (!(listing instanceof Promise)) {
    sendPage(context, exchange, message, name, listing);
    return;
  }
  // A server has to be asked for this profile first.
  listing
    .then((listed) => sendPage(context, exchange, message, name, listed))
    .catch((thrown: unknown) => responder.fail(response, "modern", "listing", thrown, message.id));
}

function sendPage(
  context: ModernContext,
  exchange: Exchange,
  message: ModernMessage,
  name: ListName,
  listing: Listing,
): void {
  const { options, bounds, responder } = context;
  const page = listPage(name, listing, message.params["cursor"], bounds);
  if (!page.ok) {
    responder.refuse(exchange.response, "modern", page.refusal, { id: message.id });
    return;
  }
  const members = JSON.stringify({
    resultType: "complete",
    ttlMs: Math.min(listing.ttlMs, bounds.listTtlMs),
    cacheScope: "private",
    _meta: { [envelopeKeys.serverInfo]: options.serverInfo },
  }).slice(1, -1);
  const text = resultBody(message.id, withMembers(page.value.text, members));
  responder.json(exchange.response, "modern", 200, text);
}
