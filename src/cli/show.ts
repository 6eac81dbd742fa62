import type { Listed } from "./client.ts";
import type { Colour } from "./paint.ts";
import type { Column } from "./table.ts";
import { fieldsText, tableText } from "./table.ts";
import type { Answer } from "./terminal.ts";

export interface ReceiptReference {
  readonly entry: string;
  readonly leaf: string;
}

/** A list as a table; says when there is more, and what an empty one means. */
export const listed = <Row>(
  { items, next }: Listed<Row>,
  columns: readonly Column<Row>[],
  whenEmpty: string,
): Answer => ({
  json: { items, next },
  human: (page) => {
    if (items.length === 0)
      return next === null ? whenEmpty : "Nothing among those looked through; --limit looks further.";
    const more =
      next === null ? "" : `\n${page.paint("dim", `There are more than these ${items.length}: --limit`)}`;
    return tableText(columns, items, page) + more;
  },
});

export type Field = readonly [name: string, value: string | null, colour?: Colour];

/** One thing as names and values. */
export const shown = (json: unknown, fields: readonly Field[]): Answer => ({
  json,
  human: ({ paint }) => fieldsText(fields, paint),
});

/** What was done, and under which entry it is on record. */
export const done = (
  json: { readonly receipt: ReceiptReference },
  sentence: string,
  fields: readonly Field[] = [],
): Answer => ({
  json,
  human: ({ paint }) =>
    [
      `${paint("green", "✓")} ${sentence}`,
      ...(fields.length === 0 ? [] : [fieldsText(fields, paint)]),
      paint("dim", `on record: ${json.receipt.entry}`),
    ].join("\n"),
});

/** "2026-11-21 04:05:06 UTC"; null stays null. */
export const instantText = (iso: string | null): string | null =>
  iso === null ? null : `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
