/**
 * How many instructions a regular expression is about, when what is repeated so many times stands there as often: RE2 writes it out, and
 * four kilobytes of `a{1000}` were a gigabyte. Infinity = it is not well-formed, and nobody will compile it.
 */
export function patternSize(pattern: string): number {
  /** Sizes of the groups that are open; the last is the innermost. */
  const open: number[] = [0];
  let atom = 0; // size of what a quantifier would repeat
  for (let at = 0; at < pattern.length;) {
    const char = pattern.charAt(at);
    if (char === "(") {
      open.push(0);
      atom = 0;
      at++;
      continue;
    }
    if (char === "{") {
      counted.lastIndex = at;
      const times = counted.exec(pattern);
      if (times !== null) {
        const least = Number(times[1]);
        const most = times[3] === undefined ? (times[2] === undefined ? least : least + 1) : Number(times[3]);
        add(open, atom * (Math.max(least, most) - 1));
        at = counted.lastIndex;
        continue;
      }
    }
    if (char === ")") {
      const group = open.pop();
      if (group === undefined || open.length === 0) return Infinity;
      atom = group + 2;
      at++;
    } else {
      at = char === "[" ? endOfClass(pattern, at) : at + (char === "\\" ? 2 : 1);
      atom = 1;
    }
    add(open, atom);
  }
  return open.length === 1 ? (open[0] ?? 0) : Infinity;
}

const counted = /\{(\d+)(,(\d+)?)?\}/y;

function add(open: number[], size: number): void {
  open[open.length - 1] = (open.at(-1) ?? 0) + size;
}

/** Behind its bracket. One that stands first is a member. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern.charAt(at) === "^") at++;
  if (pattern.charAt(at) === "]") at++;
  for (; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === "\\") at++;
    else if (char === "]") return at + 1;
  }
  return pattern.length;
}
