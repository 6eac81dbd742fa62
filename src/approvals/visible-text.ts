/**
 * Signs that do not show, or that change how what stands around them is read, as Unicode classes them: controls, formats (zero-width
 * and bidirectional ones among them), separators other than the plain space, variation selectors and tags, lone surrogates, private
 * and unassigned ones. Line feeds stay.
 */
const invisible = /(?![ \n])(?:\p{C}|\p{Z}|\p{Default_Ignorable_Code_Point})/gu;

/** More marks on one letter than any script has are laid over what stands around it. */
const stacked = /(?<=\p{M}{4})\p{M}+/gu;
/** So many spaces within a line leave what follows out of sight. At its beginning they are the indentation of what is deeply nested. */
const gap = /(?<=[^ \n]) {33,}/g;

/**
 * A text as a person who decides must see it: what would hide, or turn the order of its neighbours round, stands as `⟨U+202E⟩`, a long
 * gap as `⟨40 × U+0020⟩`. Letters that look like others are letters, and stay.
 */
export const visibleText = (text: string): string =>
  text
    .replace(invisible, numbered)
    .replace(stacked, (marks) => Array.from(marks, numbered).join(""))
    .replace(gap, (spaces) => `⟨${spaces.length} × U+0020⟩`);

const numbered = (sign: string): string =>
  `⟨U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
