const sentinel = "=?base64?";

/**
 * MCP 2026-07-28, Streamable HTTP, value encoding: plain ASCII goes as it is; anything else, padded or empty values, and values
 * that look encoded go as base64 of their UTF-8 between sentinels.
 */
export function headerValue(value: string): string {
  if (isPlain(value)) return value;
  return `${sentinel}${Buffer.from(value, "utf8").toString("base64")}?=`;
}

function isPlain(value: string): boolean {
  if (value === "" || value.startsWith(sentinel)) return false;
  if (isPadding(value.charCodeAt(0)) || isPadding(value.charCodeAt(value.length - 1))) return false;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c !== 9 && (c < 32 || c > 126)) return false;
  }
  return true;
}

const isPadding = (c: number): boolean => c === 32 || c === 9;
