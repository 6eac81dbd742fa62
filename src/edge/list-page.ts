import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { ListName, Listing } from "../calls/index.ts";

export interface ListPage {
  /** `{"tools":[…]}`, with a `nextCursor` where more follows: a whole result of the older era, the newer adds its members. */
  readonly text: string;
}

export interface PageBounds {
  readonly listPageItemsMax: number;
  readonly listPageCharsMax: number;
}

/**
 * One page of a caller's list, the same in both eras. A cursor names the list, its revision and where to go on; it is a place in
 * the caller's own list and nothing else, so somebody else's opens nothing. When the list has changed in between, pages would not
 * fit together any more, and the caller is told to start again.
 */
export function listPage(
  name: ListName,
  listing: Listing,
  cursor: unknown,
  bounds: PageBounds,
): Result<ListPage> {
  if (cursor === undefined) {
    const isOnePage =
      listing.items.length <= bounds.listPageItemsMax && listing.text.length <= bounds.listPageCharsMax;
    return isOnePage ? ok(listing) : ok(pageFrom(name, listing, 0, bounds));
  }
  const place = placeOf(name, cursor);
  if (place === null) return bad("There is no such cursor.");
  if (place.revision !== listing.revision || place.offset >= listing.items.length)
    return bad("The list has changed since this cursor was given. List again without a cursor.");
  return ok(pageFrom(name, listing, place.offset, bounds));
}

function pageFrom(name: ListName, listing: Listing, offset: number, bounds: PageBounds): ListPage {
  const { items } = listing;
  let end = offset;
  let chars = 0;
  // At least one item, however long, or a client would never get past it.
  while (end < items.length && end - offset < bounds.listPageItemsMax) {
    chars += items[end]?.length ?? 0;
    if (end > offset && chars > bounds.listPageCharsMax) break;
    end++;
  }
  const next =
    end < items.length ? `,"nextCursor":${JSON.stringify(cursorAt(name, listing.revision, end))}` : "";
  return { text: `{"${name}":[${items.slice(offset, end).join(",")}]${next}}` };
}

interface Place {
  readonly revision: string;
  readonly offset: number;
}

const cursorAt = (name: ListName, revision: string, offset: number): string =>
  Buffer.from(`${name} ${offset} ${revision}`).toString("base64url");

/** Ours are far shorter. */
const cursorCharsMax = 1_024;
const cursorForm = /^([a-zA-Z]+) ([1-9]\d{0,8}) (.*)$/s;

function placeOf(name: ListName, cursor: unknown): Place | null {
  if (typeof cursor !== "string" || cursor.length > cursorCharsMax) return null;
  const found = cursorForm.exec(Buffer.from(cursor, "base64url").toString("utf8"));
  const [, list, offset = "", revision = ""] = found ?? [];
  // Only the spelling we gave is a cursor: node skips what is not Base64.
  return list === name && cursorAt(name, revision, Number(offset)) === cursor
    ? { revision, offset: Number(offset) }
    : null;
}

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
