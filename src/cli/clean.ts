/** Escape sequences of terminals, whole: CSI, OSC and its kin, and the two-character ones. */
const sequences =
  // eslint-disable-next-line no-control-regex -- finding controls is the point
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]{0,4096}(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]?/g;

/** C0 and C1 controls, zero-width signs, bidirectional controls, line separators, tags, lone surrogates. */
const unprintable =
  // eslint-disable-next-line no-control-regex -- finding controls is the point
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** Data as it may stand in one line of a terminal: nothing in it moves the cursor, hides, or reads from right to left. */
export const cleanLine = (text: string): string =>
  text
    .replace(sequences, "")
    .replace(/[\t\n\r\v\f]+/g, " ")
    .replace(unprintable, "");

/** The same for a text of several lines; line feeds and tabs stay. */
export const cleanLines = (text: string): string =>
  text
    .replace(sequences, "")
    .replace(/\r\n?/g, "\n")
    .split("\n")
    .map((line) => line.replaceAll("\t", "  ").replace(unprintable, ""))
    .join("\n");
