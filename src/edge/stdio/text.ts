import { isObject } from "../envelope.ts";

/** Results keep the layout that their server gave them; line breaks stand between members only, where a space does as well. */
export const oneLine = (json: string): string =>
  /[\r\n]/.test(json) ? json.replaceAll(/[\r\n]+/g, " ") : json;

/** undefined = it is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function resultOf(text: string): unknown {
  const body = jsonOf(text);
  return isObject(body) ? body["result"] : undefined;
}

export const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);
