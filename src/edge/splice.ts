import { hasMember, memberSpan } from "../base/index.ts";
import type { RequestId } from "./wire.ts";

/** `{"jsonrpc":"2.0","id":…,"result":` and the text as it is. */
export function resultBody(id: RequestId, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${idText(id)},"result":${resultText}}`;
}

/** Numbers need no serialiser. */
const idText = (id: RequestId): string => (typeof id === "number" ? `${id}` : JSON.stringify(id));

/**
 * Puts members in front of those a JSON object's text has. In front, because in a text that names a member twice the last one
 * counts for every common parser: what the tool said wins.
 */
export function withMembers(objectText: string, members: string): string {
  const open = objectText.indexOf("{");
  const rest = objectText.slice(open + 1);
  return /^\s*\}/.test(rest.slice(0, 16)) ? `{${members}${rest}` : `{${members},${rest}`;
}

/** Modern results must say what they are; one that does not (an older server's) is complete. */
export function withResultType(resultText: string): string {
  if (mayHave(resultText, "resultType") && hasMember(resultText, "resultType")) return resultText;
  return withMembers(resultText, '"resultType":"complete"');
}

/** The plain search decides nearly every time, at a fraction of the cost of looking at members. A backslash-u could spell the name. */
const mayHave = (objectText: string, name: string): boolean =>
  objectText.includes(`"${name}"`) || objectText.includes("\\u");

/**
 * What the newer era wants of a resource that was read: how long it may be kept, which is for its server to say, and by whom,
 * which is not: what policy lets one caller read is that caller's alone.
 */
export function withPrivateCaching(resultText: string): string {
  let text = resultText;
  const scope = mayHave(text, "cacheScope") ? memberSpan(text, "cacheScope") : null;
  if (scope !== null) text = `${text.slice(0, scope[0])}"private"${text.slice(scope[1])}`;
  const hasTtl = mayHave(text, "ttlMs") && hasMember(text, "ttlMs");
  const missing = [...(hasTtl ? [] : ['"ttlMs":0']), ...(scope === null ? ['"cacheScope":"private"'] : [])];
  return missing.length === 0 ? text : withMembers(text, missing.join(","));
}
