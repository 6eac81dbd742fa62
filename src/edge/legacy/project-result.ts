import { memberSpan } from "../../base/index.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";

/** A result without what only the newer era has. Text that needs no change is handed on as it is. */
export function withoutResultType(text: string): string {
  return mayHold(text, "resultType") ? withoutMember(text, "resultType") : text;
}

/** The same for what was read: how long it may be kept, and by whom. */
export function withoutCaching(text: string): string {
  return ["ttlMs", "cacheScope"].reduce(
    (rest, name) => (mayHold(rest, name) ? withoutMember(rest, name) : rest),
    withoutResultType(text),
  );
}

/**
 * A tool result as this era wants it: `structuredContent` must be an object, so any other value stands in one under `result`, and
 * is told as text too where the tool said nothing. The same as the official SDK's projection, which a test compares with.
 */
export function toolResultText(text: string): string {
  const complete = withoutResultType(text);
  if (!mayHold(complete, "structuredContent")) return complete;
  const span = memberSpan(complete, "structuredContent");
  // A member that stands twice or in a spelling of its own is rare enough for the long way.
  if (span !== null && complete.charAt(span[0]) === "{") return complete;
  const result = JSON.parse(complete) as JsonObject;
  const { structuredContent: value, content } = result;
  if (value === undefined || isObject(value)) return complete;
  const blocks: readonly unknown[] = Array.isArray(content) ? content : [];
  const saysText = blocks.some((block) => isObject(block) && block["type"] === "text");
  return JSON.stringify({
    ...result,
    content: saysText ? blocks : [...blocks, { type: "text", text: JSON.stringify(value) }],
    structuredContent: { result: value },
  });
}

/** A plain search decides nearly every time. A backslash-u could spell the name. */
const mayHold = (text: string, name: string): boolean => text.includes(`"${name}"`) || text.includes("\\u");

function withoutMember(text: string, name: string): string {
  const span = memberSpan(text, name);
  if (span === null) return text;
  const key = text.lastIndexOf(`"${name}"`, span[0] - 1);
  const before = key === -1 ? "" : text.slice(0, key).trimEnd();
  const after = text.slice(span[1]).trimStart();
  // Spelt with escapes: what stands before the value is not simply the name.
  if (key === -1 || !/^\s*:\s*$/.test(text.slice(key + name.length + 2, span[0])))
    return reparsed(text, name);
  if (after.startsWith(",")) return `${before}${after.slice(1).trimStart()}`;
  return before.endsWith(",") ? `${before.slice(0, -1)}${after}` : `${before}${after}`;
}

function reparsed(text: string, name: string): string {
  const { [name]: _, ...rest } = JSON.parse(text) as JsonObject;
  return JSON.stringify(rest);
}
