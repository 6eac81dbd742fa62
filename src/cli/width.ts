const segments = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Signs that take two columns: emoji, and the wide and fullwidth ranges of East Asian scripts (Unicode, UAX 11). */
const wide =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;

/** Columns of a terminal that a cleaned text takes. */
export function displayWidth(text: string): number {
  // eslint-disable-next-line no-control-regex -- a range of plain ASCII
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segments.segment(text)) width += widthOf(segment);
  return width;
}

/** Cut to at most `columns`, with an ellipsis where something is missing. */
export function cutTo(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let out = "";
  let width = 0;
  for (const { segment } of segments.segment(text)) {
    const next = widthOf(segment);
    if (width + next > columns - 1) break;
    out += segment;
    width += next;
  }
  return columns > 0 ? `${out.trimEnd()}…` : "";
}

function widthOf(segment: string): number {
  if (wide.test(segment)) return 2;
  return /^\p{Mark}+$/u.test(segment) ? 0 : 1;
}
