import type { Result } from "../../base/index.ts";
import type { Calls, ListName, Listing } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import type { PageBounds } from "../list-page.ts";
import { listPage } from "../list-page.ts";
import type { Session } from "./session-ids.ts";

export const listNames: ReadonlyMap<string, ListName> = new Map([
  ["tools/list", "tools"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resourceTemplates"],
  ["prompts/list", "prompts"],
  ["skills/list", "skills"],
]);

/** The JSON text of one page. Not a promise where nobody has to be asked. */
export function listText(
  calls: Calls,
  name: ListName,
  principal: Principal,
  session: Session,
  cursor: unknown,
  bounds: PageBounds,
): Result<string> | Promise<Result<string>> {
  const page = (listing: Listing): Result<string> => {
    const shown = name === "tools" ? withLegacySchemas(listing) : listing;
    const found = listPage(name, shown, cursor, bounds);
    return found.ok ? { ok: true, value: found.value.text } : found;
  };
  const listing = calls.list(name, principal, session.profile);
  return listing instanceof Promise ? listing.then(page) : page(listing);
}

/** Listings are kept and shared by who makes them, so what this era makes of one is made once. */
const shown = new WeakMap<Listing, Listing>();

function withLegacySchemas(listing: Listing): Listing {
  const known = shown.get(listing);
  if (known !== undefined) return known;
  const items = listing.items.map(legacyTool);
  const isSame = items.every((item, at) => item === listing.items[at]);
  const made = isSame ? listing : { ...listing, items, text: `{"tools":[${items.join(",")}]}` };
  shown.set(listing, made);
  return made;
}

/**
 * An output schema must describe an object in this era, and clients refuse a whole list over one that does not. Such a schema is
 * left out: the values it describes arrive wrapped, and an output schema is optional.
 */
function legacyTool(text: string): string {
  if (!text.includes('"outputSchema"')) return text;
  const { outputSchema, ...tool } = JSON.parse(text) as JsonObject;
  const isObjectSchema = isObject(outputSchema) && outputSchema["type"] === "object";
  return isObjectSchema ? text : JSON.stringify(tool);
}
