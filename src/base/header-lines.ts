const linesMax = 64;
const nameForm = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
/** Visible ASCII, and spaces inside: RFC 9110 section 5.5 without obs-text, tabs, and anything to trim. */
const valueForm = /^[!-~]+(?: +[!-~]+)*$/;

/**
 * The header lines of an HTTP message, from `from` to the end of `head`; names in lower case. Null = not all of them are plain: what is taken is
 * less than HTTP allows by far, `Name: value` in visible ASCII, no name twice and none of `others`, so that it can be read in one way only.
 */
export function plainHeaderLines(
  head: string,
  from: number,
  others: ReadonlySet<string>,
): Record<string, string> | null {
  const headers: Record<string, string> = {};
  let count = 0;
  for (let at = from; at < head.length;) {
    const colon = head.indexOf(": ", at);
    let end = head.indexOf("\r\n", at);
    if (end === -1) end = head.length;
    if (colon === -1 || colon > end || ++count > linesMax) return null;
    const name = lowerCase(head.slice(at, colon));
    const value = head.slice(colon + 2, end);
    if (name === null || name in headers || others.has(name) || !valueForm.test(value)) return null;
    headers[name] = value;
    at = end + 2;
  }
  return headers;
}

/** Lower-case forms of names that were read, so that they are made once. */
const known = new Map<string, string>();
const knownMax = 200;

/** null = not the name of a header as nearly everybody spells them. */
function lowerCase(name: string): string | null {
  const found = known.get(name);
  if (found !== undefined) return found;
  if (!nameForm.test(name)) return null;
  const lower = name.toLowerCase();
  // Not the name itself: it is a part of the head, and would keep all of it.
  if (known.size < knownMax) known.set(Buffer.from(name, "latin1").toString("latin1"), lower);
  return lower;
}
