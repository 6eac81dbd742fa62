/**
 * A URI template (RFC 6570, levels 1 to 3) read backwards: whether a URI could have come out of it. Matching walks the URI once
 * per part, without regular expressions and without going back, so no template and no URI makes it slow. It errs towards "fits":
 * the server that gets the request has the last word.
 */
export interface UriTemplate {
  readonly parts: readonly TemplatePart[];
  /** How much of it is fixed: of two templates that fit, the one that says more is meant. */
  readonly literalChars: number;
}

/**
 *  literal  stands as it is
 *  run      one or more characters, none of `never`
 *  option   nothing, or `lead` and then characters, none of `never`
 */
type TemplatePart =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "run"; readonly never: string }
  | { readonly kind: "option"; readonly lead: string; readonly never: string };

/** Three times the most expressions of any template seen in public servers; the rest is for literals between them. */
const partsMax = 32;

/** null = not a template that we can match; it is listed and completed all the same. */
export function parseUriTemplate(text: string): UriTemplate | null {
  const parts: TemplatePart[] = [];
  let literalChars = 0;
  for (let at = 0; at < text.length;) {
    if (parts.length >= partsMax) return null;
    const open = text.indexOf("{", at);
    const literal = text.slice(at, open === -1 ? text.length : open);
    if (literal.includes("}")) return null;
    if (literal !== "") {
      parts.push({ kind: "literal", text: literal });
      literalChars += literal.length;
    }
    if (open === -1) break;
    const close = text.indexOf("}", open);
    const part = close === -1 ? null : expressionPart(text.slice(open + 1, close));
    if (part === null) return null;
    parts.push(part);
    at = close + 1;
  }
  return parts.some((part) => part.kind !== "literal") ? { parts, literalChars } : null;
}

/** Steps that `fits` takes at most; 0 = it sees at once that the URI begins otherwise. */
export const fitCost = (template: UriTemplate, uri: string): number =>
  beginsAlike(template, uri) ? template.parts.length * (uri.length + 1) : 0;

export function fits(template: UriTemplate, uri: string): boolean {
  if (!beginsAlike(template, uri)) return false;
  // ends[p] = the parts so far can end before character p.
  let ends = new Uint8Array(uri.length + 1);
  ends[0] = 1;
  for (const part of template.parts) {
    const next = new Uint8Array(uri.length + 1);
    if (part.kind === "literal") walkLiteral(uri, part.text, ends, next);
    else walkRun(uri, part, ends, next);
    ends = next;
  }
  return ends[uri.length] === 1;
}

function beginsAlike({ parts: [first] }: UriTemplate, uri: string): boolean {
  return first?.kind !== "literal" || uri.startsWith(first.text);
}

function walkLiteral(uri: string, text: string, ends: Uint8Array, next: Uint8Array): void {
  for (let p = 0; p + text.length <= uri.length; p++) {
    if (ends[p] === 1 && uri.startsWith(text, p)) next[p + text.length] = 1;
  }
}

function walkRun(
  uri: string,
  part: Exclude<TemplatePart, { kind: "literal" }>,
  ends: Uint8Array,
  next: Uint8Array,
): void {
  let isOpen = false;
  for (let p = 0; p < uri.length; p++) {
    const isStart = ends[p] === 1;
    const character = uri.charAt(p);
    if (part.kind === "option" && isStart) next[p] = 1;
    const opens = isStart && (part.kind === "run" || character === part.lead);
    isOpen = opens && part.kind === "option" ? true : (isOpen || opens) && !part.never.includes(character);
    if (isOpen) next[p + 1] = 1;
  }
  if (part.kind === "option" && ends[uri.length] === 1) next[uri.length] = 1;
}

/** By operator. A plain variable stops at a slash, as the official SDK has it; a reserved one takes everything. */
const shapes: Readonly<Record<string, TemplatePart>> = {
  "": { kind: "run", never: "/" },
  "+": { kind: "run", never: "" },
  "#": { kind: "option", lead: "#", never: "" },
  ".": { kind: "option", lead: ".", never: "/" },
  "/": { kind: "option", lead: "/", never: "?#" },
  ";": { kind: "option", lead: ";", never: "/?#" },
  "?": { kind: "option", lead: "?", never: "#" },
  "&": { kind: "option", lead: "&", never: "#" },
};
/** Level 4: a list or map that stands for several segments. Servers use it on plain variables for whole paths. */
const exploded: TemplatePart = { kind: "run", never: "" };

function expressionPart(expression: string): TemplatePart | null {
  const operator = /^[+#./;?&]/.test(expression) ? expression.charAt(0) : "";
  const variables = expression.slice(operator.length).split(",");
  if (!variables.every((variable) => /^[A-Za-z0-9_.%-]+(?:\*|:[0-9]{1,4})?$/.test(variable))) return null;
  const isExploded = operator === "" && variables.some((variable) => variable.endsWith("*"));
  return isExploded ? exploded : (shapes[operator] ?? null);
}
