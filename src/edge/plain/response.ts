import type { Socket } from "node:net";
import { invariant, nodeHttp } from "../../base/index.ts";
import type { McpResponse } from "../exchange.ts";

/** Where an answer goes. */
export interface AnswerSink {
  readonly socket: Socket;
  /** The end of a head: what stands in every one, and the empty line. */
  lastHeaders(closes: boolean): string;
  /** The answer is over. */
  answered(closes: boolean): void;
}

/** The answer to a request that was read without an HTTP parser: one text with its length, or chunks (RFC 9112 section 7.1). */
export class PlainResponse implements McpResponse {
  headersSent = false;
  writableEnded = false;
  readonly socket: Socket;
  private readonly sink: AnswerSink;
  /** Written with what follows it. */
  private head = "";
  private isChunked = false;
  private closes = false;
  private isClosed = false;
  private readonly listeners: (() => void)[] = [];

  constructor(sink: AnswerSink) {
    this.sink = sink;
    this.socket = sink.socket;
  }

  get destroyed(): boolean {
    return this.isClosed || this.socket.destroyed;
  }

  get writableFinished(): boolean {
    return this.writableEnded;
  }

  get writableLength(): number {
    return this.socket.writableLength;
  }

  writeHead(status: number, headers: readonly string[]): void {
    this.isChunked = true;
    let head = statusLine(status);
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      invariant(fieldValue.test(value), `the header ${name} has a character that no header has`);
      head += `${name}: ${value}\r\n`;
      if (name === "Content-Length") this.isChunked = false;
      else if (name === "Connection") this.closes = value === "close";
    }
    this.head = head;
    this.headersSent = true;
  }

  flushHeaders(): void {
    this.send(this.takeHead(), "latin1");
  }

  write(text: string): void {
    if (text !== "") this.send(`${this.takeHead()}${this.framed(text)}`, "utf8");
  }

  end(text = "", encoding: "latin1" | "utf8" = "utf8"): void {
    if (this.writableEnded || this.destroyed) return;
    const body = text === "" ? "" : this.framed(text);
    const { socket } = this;
    socket.write(`${this.takeHead()}${body}${this.isChunked ? lastChunk : ""}`, encoding);
    this.writableEnded = true;
    // Mostly the system has all of it now. What it has not is still in flight, and a node that stops waits for it.
    const isOut = socket.writableLength === 0;
    if (!isOut) socket.write("", () => this.close());
    this.sink.answered(this.closes);
    if (isOut) this.close();
  }

  once(_event: "close", listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Of an answer that is over the connection is another one's by now. */
  destroy(): void {
    if (!this.isClosed) this.socket.destroy();
  }

  /** The answer is out, or the connection lost. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const listener of this.listeners) listener();
  }

  /** What is written in one turn leaves together, as from Node's server: see `isBehind`. */
  private send(text: string, encoding: "latin1" | "utf8"): void {
    const { socket } = this;
    if (this.writableEnded || this.destroyed) return;
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(uncork, socket);
    }
    socket.write(text, encoding);
  }

  private takeHead(): string {
    const { head } = this;
    if (head === "") return "";
    this.head = "";
    return `${head}${this.isChunked ? chunked : ""}${this.sink.lastHeaders(this.closes)}`;
  }

  private framed(text: string): string {
    return this.isChunked ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text;
  }
}

/** RFC 9110 section 5.5 without obs-text: a line end in a value would begin another header. */
const fieldValue = /^[\t -~]*$/;
const chunked = "Transfer-Encoding: chunked\r\n";
const lastChunk = "0\r\n\r\n";

const uncork = (socket: Socket): void => socket.uncork();

const statusLines = new Map<number, string>();

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${nodeHttp().STATUS_CODES[status] ?? ""}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}
