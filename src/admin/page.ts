import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";

const pageLimitMax = 500;
const pageLimitDefault = 100;

/** Query parameters of every list. */
export const pageQuery = {
  limit: {
    type: "integer",
    minimum: 1,
    maximum: pageLimitMax,
    default: pageLimitDefault,
    description: "how many at most",
  },
  cursor: { type: "string", maxLength: 1_024, description: "`next` of the page before" },
} as const;

export interface PageRequest {
  readonly limit: number;
  /** Where the page before ended; null = from the start. */
  readonly after: string | null;
}

/** `list` names what is listed: a cursor of one list is refused by another. */
export function pageRequest(
  list: string,
  query: { readonly limit?: number; readonly cursor?: string },
): Result<PageRequest> {
  const limit = query.limit ?? pageLimitDefault;
  if (query.cursor === undefined) return ok({ limit, after: null });
  const text = Buffer.from(query.cursor, "base64url").toString();
  const isOurs = text.startsWith(`${list} `) && cursorFor(list, text.slice(list.length + 1)) === query.cursor;
  if (!isOurs) return refuse({ code: "invalid-params", detail: `"cursor" is not one of this list's.` });
  return ok({ limit, after: text.slice(list.length + 1) });
}

/** Opaque to callers. It says where a page ended and grants nothing: the next page is authorised like the first. */
export const cursorFor = (list: string, after: string): string =>
  Buffer.from(`${list} ${after}`).toString("base64url");

/** A page of what is all in memory, in an order in which `keyOf` grows. */
export function pageOfSorted<T>(
  list: string,
  page: PageRequest,
  all: readonly T[],
  keyOf: (item: T) => string,
): { readonly items: readonly T[]; readonly next: string | null } {
  const { after, limit } = page;
  const rest = after === null ? all : all.filter((item) => keyOf(item) > after);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    next: last === undefined || rest.length <= limit ? null : cursorFor(list, keyOf(last)),
  };
}
