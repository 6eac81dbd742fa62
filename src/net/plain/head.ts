import { plainHeaderLines } from "../../base/index.ts";
import type { ResponseHeaders } from "../http-request.ts";

/** The head of an answer that needs no HTTP parser to be read. */
export interface PlainHead {
  readonly status: number;
  /** Names in lower case, each once. */
  readonly headers: ResponseHeaders;
  /** Bytes of the body. */
  readonly length: number;
  /** Where in the bytes the body begins. */
  readonly bodyAt: number;
  /** The server ends the connection after this answer. */
  readonly closes: boolean;
  /** How long the server keeps the connection when nothing is asked, in milliseconds; null = it does not say. */
  readonly keepsMs: number | null;
}

/**
 *  more   so far it is the beginning of one
 *  other  it is anything else, which says nothing against it
 */
type NotPlain = "more" | "other";

const start = "HTTP/1.1 ";
/** A reason in visible ASCII, or none. */
const statusLine = /^HTTP\/1\.1 ([2-5][0-9][0-9])(?: [!-~ ]*)?$/;
/** Answers to which rules of their own apply about having a body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);
const framing: ReadonlySet<string> = new Set(["transfer-encoding", "upgrade", "trailer", "proxy-connection"]);

const lengthForm = /^(?:0|[1-9][0-9]{0,9})$/;
/** Wherever it stands and whatever follows: a time that is overlooked would be taken for a longer one. */
const keepsForm = /timeout=([0-9]{1,9})/i;

/**
 * Reads heads of one server. What is taken is less than HTTP allows by far: one spelling of the status line, `Name: value` lines in visible
 * ASCII, no name twice, a length in plain digits, and nothing else that says where the body ends. Such a head can be read one way only.
 * Most answers of a server have the head of the one before, to the second; it is not read again.
 */
export class HeadReader {
  private readonly bytesMax: number;
  private lastText = "";
  private last: PlainHead | "other" = "other";

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  read(bytes: Buffer): PlainHead | NotPlain {
    const headEnd = bytes.indexOf("\r\n\r\n", 0, "latin1");
    if (headEnd === -1) return isBeginning(bytes) && bytes.length <= this.bytesMax ? "more" : "other";
    if (headEnd > this.bytesMax) return "other";
    const text = bytes.toString("latin1", 0, headEnd);
    if (text !== this.lastText) {
      this.last = headFrom(text);
      this.lastText = text;
    }
    return this.last;
  }
}

const isBeginning = (bytes: Buffer): boolean =>
  start.startsWith(bytes.toString("latin1", 0, Math.min(bytes.length, start.length)));

function headFrom(text: string): PlainHead | "other" {
  const firstEnd = text.indexOf("\r\n");
  const first = firstEnd === -1 ? text : text.slice(0, firstEnd);
  const status = Number(statusLine.exec(first)?.[1] ?? 0);
  const headers = plainHeaderLines(text, first.length + 2, framing);
  if (status === 0 || bodiless.has(status) || headers === null) return "other";
  // A part of the text would keep all of it for as long as somebody keeps this value, a session's id say.
  for (const [name, value] of Object.entries(headers))
    headers[name] = Buffer.from(value, "latin1").toString("latin1");
  const length = headers["content-length"];
  const connection = headers["connection"]?.toLowerCase() ?? "keep-alive";
  if (length === undefined || !lengthForm.test(length)) return "other";
  if (connection !== "keep-alive" && connection !== "close") return "other";
  const keeps = keepsForm.exec(headers["keep-alive"] ?? "")?.[1];
  return {
    status,
    headers,
    length: Number(length),
    bodyAt: text.length + 4,
    closes: connection === "close",
    keepsMs: keeps === undefined ? null : Number(keeps) * 1000,
  };
}
