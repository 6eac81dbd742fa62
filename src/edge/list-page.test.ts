import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Listing } from "../calls/index.ts";
import { listPage } from "./list-page.ts";

const bounds = { listPageItemsMax: 10, listPageCharsMax: 10_000 };

function listingOf(items: readonly string[], revision = "r1"): Listing {
  return { items, text: `{"tools":[${items.join(",")}]}`, revision, ttlMs: 1000 };
}
const tools = (count: number) => Array.from({ length: count }, (_, i) => `{"name":"t${i}"}`);

interface Page {
  readonly tools: readonly { readonly name: string }[];
  readonly nextCursor?: string;
}

function pageOf(listing: Listing, cursor?: unknown, over: Partial<typeof bounds> = {}): Page {
  const page = listPage("tools", listing, cursor, { ...bounds, ...over });
  if (!page.ok) throw new Error(page.refusal.detail);
  return JSON.parse(page.value.text) as Page;
}

describe("pages of a list", () => {
  test("a list that fits is one page, in the very text it was kept in", () => {
    const listing = listingOf(tools(10));
    const page = listPage("tools", listing, undefined, bounds);
    expect(page).toMatchObject({ ok: true, value: { text: listing.text } });
  });

  test("together are the list, each item once and in its order, whatever the bounds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 60 }), { maxLength: 80 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 200 }),
        (names, listPageItemsMax, listPageCharsMax) => {
          const listing = listingOf(names.map((name) => JSON.stringify({ name })));
          const seen: string[] = [];
          let cursor: string | undefined;
          let pages = 0;
          do {
            const page = pageOf(listing, cursor, { listPageItemsMax, listPageCharsMax });
            expect(page.tools.length).toBeLessThanOrEqual(listPageItemsMax);
            seen.push(...page.tools.map((tool) => tool.name));
            cursor = page.nextCursor;
          } while (cursor !== undefined && ++pages <= names.length);
          expect(seen).toEqual(names);
        },
      ),
    );
  });

  test("one item that is larger than a page still comes, alone", () => {
    const listing = listingOf([`{"name":"${"x".repeat(500)}"}`, '{"name":"b"}']);
    const first = pageOf(listing, undefined, { listPageCharsMax: 100 });
    expect(first.tools).toHaveLength(1);
    expect(pageOf(listing, first.nextCursor, { listPageCharsMax: 100 }).tools).toEqual([{ name: "b" }]);
  });

  test("a cursor of a list that has changed since is refused, and says what to do", () => {
    const { nextCursor } = pageOf(listingOf(tools(30)));
    expect(listPage("tools", listingOf(tools(31), "r2"), nextCursor, bounds)).toMatchObject({
      ok: false,
      refusal: { code: "invalid-params", detail: expect.stringContaining("List again without a cursor") },
    });
  });

  test("a cursor opens the caller's own list alone: another's of the same revision shows nothing of it", () => {
    const { nextCursor } = pageOf(listingOf(tools(30)));
    const mine = listingOf(Array.from({ length: 12 }, (_, i) => `{"name":"mine${i}"}`));
    expect(pageOf(mine, nextCursor).tools.map((tool) => tool.name)).toEqual(["mine10", "mine11"]);
    expect(listPage("tools", listingOf(tools(5)), nextCursor, bounds)).toMatchObject({ ok: false });
  });

  test.each([
    ["a number", 7],
    ["null", null],
    ["nothing", ""],
    ["text", "next"],
    ["another list's", Buffer.from("prompts 10 r1").toString("base64url")],
    ["another spelling", `${Buffer.from("tools 10 r1").toString("base64url")}=`],
    ["a place before the start", Buffer.from("tools -1 r1").toString("base64url")],
    ["the start", Buffer.from("tools 0 r1").toString("base64url")],
    ["a fraction", Buffer.from("tools 1.5 r1").toString("base64url")],
    ["a place far away", Buffer.from("tools 999999999 r1").toString("base64url")],
    ["a place behind the end", Buffer.from("tools 30 r1").toString("base64url")],
    ["a megabyte", "x".repeat(1_000_000)],
  ])("a cursor that is %s is refused", (_, cursor) => {
    expect(listPage("tools", listingOf(tools(30)), cursor, bounds)).toMatchObject({
      ok: false,
      refusal: { code: "invalid-params" },
    });
  });
});
