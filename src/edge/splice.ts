import { memberSpan } from "../base/index.ts";
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
  // The plain search decides nearly every time, at a fraction of the cost of looking at members. A backslash-u could spell the name.
  const maybe = resultText.includes('"resultType"') || resultText.includes("\\u");
  if (maybe && memberSpan(resultText, "resultType") !== null) return resultText;
  return withMembers(resultText, '"resultType":"complete"');
}
