import type { Match } from "./pattern-set.ts";

interface Edit extends Match {
  readonly text: string;
}

/**
 * Takes the matches out of JSON text so that it stays JSON: inside a string by the mark, where that still parses; else the
 * smallest value around a match becomes the string `mark`. All other bytes stay. One pass, no recursion. `matches` are in order
 * and do not overlap; `mark` needs no escaping.
 */
export function replaceInJson(json: string, matches: readonly Match[], mark: string): string {
  const edits: Edit[] = [];
  const open: number[] = []; // where the containers around us began
  const crossing: Match[] = []; // begun, and not inside one string or number
  let next = 0; // the first match not looked at
  let at = 0;

  const leaf = (start: number, end: number): void => {
    const inside: Match[] = [];
    for (let match = matches[next]; match !== undefined && match.start < end; match = matches[++next]) {
      if (match.start >= start && match.end <= end) inside.push(match);
      else crossing.push(match);
    }
    if (inside.length > 0) edits.push({ start, end, text: leafWithout(json, start, end, inside, mark) });
  };
  const close = (start: number, end: number): void => {
    for (let match = matches[next]; match !== undefined && match.start < end; match = matches[++next]) {
      crossing.push(match);
    }
    let isHit = false;
    for (let last = crossing.at(-1); last !== undefined && last.start >= start; last = crossing.at(-1)) {
      if (last.end > end) break;
      crossing.pop();
      isHit = true;
    }
    if (!isHit) return;
    while ((edits.at(-1)?.start ?? -1) >= start) edits.pop();
    edits.push({ start, end, text: `"${mark}"` });
  };

  while (at < json.length) {
    const char = json.charAt(at);
    if (char === "{" || char === "[") {
      open.push(at++);
    } else if (char === "}" || char === "]") {
      close(open.pop() ?? 0, ++at);
    } else if (between.test(char)) {
      at++;
    } else {
      const end = char === '"' ? endOfString(json, at) : endOfWord(json, at);
      leaf(at, end);
      at = end;
    }
  }
  close(0, json.length); // what reaches beyond the outermost value takes everything
  return withEdits(json, edits);
}

const between = /[\s,:]/;

function leafWithout(
  json: string,
  start: number,
  end: number,
  matches: readonly Match[],
  mark: string,
): string {
  if (json.charAt(start) !== '"') return `"${mark}"`;
  const marked = withEdits(
    json.slice(start, end),
    matches.map((match) => ({ start: match.start - start, end: match.end - start, text: mark })),
  );
  try {
    JSON.parse(marked);
    return marked;
  } catch {
    return `"${mark}"`;
  }
}

function withEdits(text: string, edits: readonly Edit[]): string {
  let from = 0;
  let out = "";
  for (const edit of edits) {
    out += text.slice(from, edit.start) + edit.text;
    from = edit.end;
  }
  return out + text.slice(from);
}

function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json.charAt(end - 1 - backslashes) === "\\") backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
  return json.length;
}

const wordEnd = /[\s,:\]}]|$/g;

function endOfWord(json: string, start: number): number {
  wordEnd.lastIndex = start;
  const found = wordEnd.exec(json);
  return Math.max(start + 1, found?.index ?? json.length);
}
