import type { StreamRequest } from "../http-request.ts";

/** Headers that say how the message is framed or what becomes of the connection; with any of them it is not plain. */
const framing: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "expect",
  "upgrade",
  "te",
  "trailer",
]);

const pathForm = /^\/[!-~]*$/;
const nameForm = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
/** RFC 9110 section 5.5 without obs-text: visible ASCII, and blanks inside. */
const valueForm = /^[!-~]+(?:[\t ]+[!-~]+)*$/;

/** The bytes of a request that stands in one write; null = it is not plain, and undici says what is wrong with it or how it is sent. */
export interface PlainText {
  readonly text: string;
  readonly encoding: "latin1" | "utf8";
}

export function plainText(request: StreamRequest, host: string): PlainText | null {
  const { method, path, headers, body } = request;
  if (method !== "POST" || typeof body !== "string" || !pathForm.test(path)) return null;
  let head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1];
    if (value === undefined || !isPlainName(name) || !valueForm.test(value)) return null;
    head += `${name}: ${value}\r\n`;
  }
  const length = Buffer.byteLength(body);
  return {
    text: `${head}content-length: ${length}\r\n\r\n${body}`,
    encoding: length === body.length ? "latin1" : "utf8", // as long in bytes as in characters: ASCII
  };
}

/** Names that were looked at; there are few, and mostly the same. */
const known = new Map<string, boolean>();
const knownMax = 200;

function isPlainName(name: string): boolean {
  const found = known.get(name);
  if (found !== undefined) return found;
  const isPlain = nameForm.test(name) && !framing.has(name.toLowerCase());
  if (known.size < knownMax) known.set(name, isPlain);
  return isPlain;
}
