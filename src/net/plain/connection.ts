import type { Socket } from "node:net";
import type { AnswerHandler, AnswerReader } from "../answer-handler.ts";
import { NetFailure } from "../failure.ts";
import type { HeadReader, PlainHead } from "./head.ts";
import type { Errand } from "./errand.ts";
import { readOn } from "./read-on.ts";

/** What a connection needs of those who have all of them. */
export interface PlainHost {
  readonly origin: string;
  readonly headerBytesMax: number;
  readonly heads: HeadReader;
  /** The answer was read whole; `keepsMs` as in its head. */
  answered(connection: PlainConnection, keepsMs: number | null): void;
  /** Somebody else reads this answer, and then ends the connection. */
  notPlain(): void;
  /** The socket is closed. */
  closed(connection: PlainConnection): void;
}

/** In how many pieces a head may come. Each is looked at from the first byte again. */
const piecesMax = 4;

/**
 * A keep-alive connection to a server: idle, or with one request whose answer is awaited. An answer with a plain head is read here. Any
 * other one is read by undici, from its first byte, and is the last on this connection.
 */
export class PlainConnection implements AnswerReader {
  /** Until when it may be used again; monotonic milliseconds. Written by the host. */
  idleUntil = 0;
  private readonly socket: Socket;
  private readonly host: PlainHost;
  private errand: Errand | null = null;
  private reader: AnswerReader | null = null; // null = we read
  /** What has come of a head that is not whole yet. */
  private unread: Buffer | null = null;
  private pieces = 0;
  private head: PlainHead | null = null; // null = not read yet
  /** Bytes of the body that are still to come. */
  private missing = 0;
  private error: Error | null = null;

  constructor(socket: Socket, host: PlainHost) {
    this.socket = socket;
    this.host = host;
    socket.on("data", this.onData).on("end", this.onEnd).on("error", this.onError);
    socket.once("close", this.onClose);
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded;
  }

  /** False = it was not sent, and the handler has been told. */
  send(errand: Errand): boolean {
    const { handler, plain } = errand;
    try {
      handler.onRequestStart(this);
    } catch (thrown) {
      handler.onResponseError(null, thrown as Error);
      return false;
    }
    this.errand = errand;
    this.head = null;
    this.pieces = 0;
    this.socket.write(plain.text, plain.encoding);
    return true;
  }

  abort(reason: Error): void {
    const { reader } = this;
    this.errand = null;
    if (reader === null) this.socket.destroy();
    else reader.abort(reason);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private readonly onData = (chunk: Buffer): void => {
    const { errand } = this;
    // Nobody has asked for it: whoever asks next would take it for the answer.
    if (errand === null) this.socket.destroy();
    else this.read(chunk, errand);
  };

  private read(chunk: Buffer, errand: Errand): void {
    try {
      if (this.head === null) this.readHead(chunk, errand);
      else this.readBody(chunk, errand.handler, this.head);
    } catch (thrown) {
      // Whoever fails over an answer hears of it, and nobody else.
      this.errand = null;
      this.socket.destroy();
      errand.handler.onResponseError(this, thrown as Error);
    }
  }

  private readHead(chunk: Buffer, errand: Errand): void {
    const bytes = this.unread === null ? chunk : Buffer.concat([this.unread, chunk]);
    this.unread = null;
    const head = this.host.heads.read(bytes);
    if (head === "more" && ++this.pieces < piecesMax) {
      this.unread = bytes;
    } else if (typeof head === "string") {
      this.handOver(bytes, errand);
    } else {
      this.head = head;
      this.missing = head.length;
      const { handler } = errand;
      handler.onResponseStart(this, head.status, head.headers);
      if (this.errand !== null) this.readBody(bytes.subarray(head.bodyAt), handler, head);
    }
  }

  private readBody(bytes: Buffer, handler: AnswerHandler, head: PlainHead): void {
    const body = bytes.length > this.missing ? bytes.subarray(0, this.missing) : bytes;
    this.missing -= body.length;
    if (body.length > 0) handler.onResponseData(this, body);
    if (this.missing > 0 || this.errand === null) return;
    this.errand = null;
    // What follows the answer belongs to nobody, and of a request that is not out yet the server has said enough.
    const isOver = head.closes || bytes.length > body.length || this.socket.writableLength > 0;
    if (isOver) this.socket.destroy();
    else this.host.answered(this, head.keepsMs);
    handler.onResponseEnd();
  }

  private handOver(bytes: Buffer, errand: Errand): void {
    const { socket, host } = this;
    const { origin, headerBytesMax } = host;
    socket.off("data", this.onData).off("end", this.onEnd).off("error", this.onError);
    host.notPlain();
    this.reader = readOn(socket, bytes, { origin, headerBytesMax, request: errand.request }, errand.handler);
  }

  private readonly onEnd = (): void => {
    this.socket.destroy();
  };

  private readonly onError = (error: Error): void => {
    this.error = error; // "close" follows
  };

  private readonly onClose = (): void => {
    const { errand } = this;
    this.errand = null;
    this.host.closed(this);
    if (errand === null || this.reader !== null) return;
    const failure = this.error ?? new NetFailure("lost", true, "other side closed");
    errand.handler.onResponseError(this, failure);
  };
}
