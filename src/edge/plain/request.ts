import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { plainHeaderLines } from "../../base/index.ts";

/** A request that needs no HTTP parser to be read, whole: see `readPlain`. */
export interface PlainRequest {
  readonly method: "POST";
  readonly url: "/mcp";
  /** Names in lower case, each once. */
  readonly headers: IncomingHttpHeaders;
  /** Empty once it has been read. */
  body: Buffer;
  readonly socket: Socket;
}

/**
 *  more   so far it is the beginning of one
 *  other  it is anything else, which says nothing against it
 */
export type NotPlain = "more" | "other";

const start = "POST /mcp HTTP/1.1\r\n";

/** Headers that say something about the message itself or the connection; with any of them it is not plain. */
const framing: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-encoding",
  "expect",
  "upgrade",
  "te",
  "trailer",
  "http2-settings",
  "proxy-connection",
]);

const lengthForm = /^[1-9][0-9]{0,7}$/;

/**
 * The request that `bytes` are, from the first to the last. What is taken here is less than HTTP allows by far: one spelling of the
 * request line, `Name: value` lines in visible ASCII, no name twice, a length in plain digits, and nothing behind it. Whoever reads such a
 * request can read it one way only.
 */
export function readPlain(
  bytes: Buffer,
  socket: Socket,
  bounds: { readonly headerBytesMax: number; readonly bodyBytesMax: number },
): PlainRequest | NotPlain {
  const headEnd = bytes.indexOf("\r\n\r\n", 0, "latin1");
  if (headEnd === -1) return isBeginning(bytes) && bytes.length <= bounds.headerBytesMax ? "more" : "other";
  if (headEnd > bounds.headerBytesMax) return "other";
  const head = bytes.toString("latin1", 0, headEnd);
  if (!head.startsWith(start)) return "other";
  const headers = headersOf(head);
  const length = headers?.["content-length"];
  if (headers === null || headers.host === undefined || length === undefined) return "other";
  if (!lengthForm.test(length) || Number(length) > bounds.bodyBytesMax) return "other";
  const end = headEnd + 4 + Number(length);
  if (bytes.length < end) return "more";
  if (bytes.length > end) return "other";
  return { method: "POST", url: "/mcp", headers, body: bytes.subarray(headEnd + 4), socket };
}

const isBeginning = (bytes: Buffer): boolean =>
  start.startsWith(bytes.toString("latin1", 0, Math.min(bytes.length, start.length)));

/** null = not plain. */
function headersOf(head: string): IncomingHttpHeaders | null {
  const headers = plainHeaderLines(head, start.length, framing);
  const keeps = (headers?.["connection"] ?? "keep-alive").toLowerCase() === "keep-alive";
  return keeps ? headers : null;
}
