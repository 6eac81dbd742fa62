import { cleanLine } from "./clean.ts";
import type { Colour, Paint } from "./paint.ts";
import { cutTo, displayWidth } from "./width.ts";

export interface Column<Row> {
  readonly title: string;
  /** Data as it came; it is cleaned here. null = nothing to show. */
  readonly of: (row: Row) => string | number | null;
  readonly colour?: (row: Row) => Colour;
  readonly align?: "left" | "right";
  /** Never cut: what a person copies from here. */
  readonly keep?: boolean;
}

export interface TableStyle {
  /** Columns of the terminal; null = as wide as it gets. */
  readonly width: number | null;
  readonly paint: Paint;
}

const gap = "  ";
/** Less than this of a cell tells nobody anything. */
const narrowest = 10;

/**
 * An aligned table with a line of titles. Cells are cleaned, cut to the width, and coloured last. Where the terminal is too narrow
 * for a table, each row becomes a few lines of its own.
 */
export function tableText<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: TableStyle,
): string {
  const cells = rows.map((row) => columns.map((column) => cleanLine(String(column.of(row) ?? "–"))));
  const titles = columns.map((column) => column.title.toUpperCase());
  const widths = fittedWidths(columns, [titles, ...cells], style.width);
  const colours = rows.map((row) => columns.map((column) => column.colour?.(row) ?? "plain"));
  if (widths === null) return recordsText(titles, cells, colours, style.paint);
  const line = (texts: readonly string[], painted: readonly Colour[]): string =>
    texts
      .map((text, at) => {
        const width = widths[at] ?? 0;
        const cut = cutTo(text, width);
        const space = " ".repeat(Math.max(0, width - displayWidth(cut)));
        const shown = style.paint(painted[at] ?? "plain", cut);
        if (columns[at]?.align === "right") return space + shown;
        return at === texts.length - 1 ? shown : shown + space;
      })
      .join(gap)
      .trimEnd();
  const head = line(
    titles,
    titles.map(() => "dim"),
  );
  return [head, ...cells.map((texts, at) => line(texts, colours[at] ?? []))].join("\n");
}

/** Natural widths, then the widest gives way until all fit; null when they cannot. */
function fittedWidths<Row>(
  columns: readonly Column<Row>[],
  texts: readonly (readonly string[])[],
  width: number | null,
): readonly number[] | null {
  const widths = columns.map((_column, at) =>
    texts.reduce((widest, line) => Math.max(widest, displayWidth(line[at] ?? "")), 0),
  );
  if (width === null) return widths;
  const least = columns.map(({ keep, title }, at) => {
    const natural = widths[at] ?? 0;
    return keep === true ? natural : Math.min(natural, Math.max(narrowest, displayWidth(title)));
  });
  const gaps = gap.length * (columns.length - 1);
  if (sum(least) + gaps > width) return null;
  for (let over = sum(widths) + gaps - width; over > 0; over--) {
    const widest = widths
      .map((natural, at) => ({ at, natural, spare: natural - (least[at] ?? 0) }))
      .filter(({ spare }) => spare > 0)
      .toSorted((a, b) => b.natural - a.natural)[0];
    if (widest === undefined) break;
    // A cell much wider than the terminal need not be taken back column by column.
    const step = Math.min(over, widest.spare, Math.max(1, widest.natural - width));
    widths[widest.at] = widest.natural - step;
    over -= step - 1;
  }
  return widths;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const recordsText = (
  titles: readonly string[],
  cells: readonly (readonly string[])[],
  colours: readonly (readonly Colour[])[],
  paint: Paint,
): string =>
  cells
    .map((texts, row) =>
      fieldsText(
        texts.map(
          (text, at) => [(titles[at] ?? "").toLowerCase(), text, colours[row]?.[at] ?? "plain"] as const,
        ),
        paint,
      ),
    )
    .join("\n\n");

/** Names and values of one thing, one per line; a value of several lines goes on under its beginning. */
export function fieldsText(
  fields: readonly (readonly [name: string, value: string | null, colour?: Colour])[],
  paint: Paint,
): string {
  const shown = fields.filter(([, value]) => value !== null);
  const width = shown.reduce((widest, [name]) => Math.max(widest, displayWidth(name)), 0);
  const indent = " ".repeat(width + gap.length);
  return shown
    .map(([name, value, colour]) => {
      const lines = (value ?? "").split("\n").map((text) => paint(colour ?? "plain", cleanLine(text)));
      return `${paint("dim", name)}${" ".repeat(width - displayWidth(name))}${gap}${lines.join(`\n${indent}`)}`;
    })
    .join("\n");
}
