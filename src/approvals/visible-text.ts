/**
 * Signs that do not show, or that change how what stands around them is read, as Unicode classes them: controls, formats (zero-width
 * and bidirectional ones among them), separators other than the plain space, variation selectors and tags, lone surrogates, private
 * and unassigned ones. Line feeds stay.
 */
const invisible = /(?![ \n])(?:\p{C}|\p{Z}|\p{Default_Ignorable_Code_Point})/gu;

/**
 * A text as a person who decides must see it: what would hide, or turn the order of its neighbours round, stands as `⟨U+202E⟩`.
 * Letters that look like others are letters, and stay.
 */
export const visibleText = (text: string): string =>
  text.replace(
    invisible,
    (sign) => `⟨U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
