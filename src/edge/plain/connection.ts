import type { Socket } from "node:net";
import type { PlainRequest } from "./request.ts";
import { readPlain } from "./request.ts";
import type { AnswerSink } from "./response.ts";
import { PlainResponse } from "./response.ts";

/** What a connection needs of those who have all of them. */
export interface PlainHost {
  readonly bounds: {
    readonly headerBytesMax: number;
    readonly bodyBytesMax: number;
    readonly bodyBytesInFlightMax: number;
  };
  /** What all connections together hold that is no whole request yet, or comes too early. */
  unreadBytes: number;
  answer(request: PlainRequest, response: PlainResponse): void;
  lastHeaders(closes: boolean): string;
  /** Until when a connection may do nothing: without a request, or in the middle of one. Monotonic milliseconds. */
  quietUntil(when: "idle" | "reading"): number;
  /** Node's own HTTP server reads on from here. */
  takeOver(connection: PlainConnection, socket: Socket): void;
  closed(connection: PlainConnection): void;
}

/** In how many pieces a request may come. Each is looked at from the first byte again. */
const piecesMax = 4;

/** How much of what comes too early is held: a whole request and more. */
const earlyBytesMax = 64 * 1024;

/**
 * A connection whose requests have all been plain so far, and come one at a time. With the first that is not, Node's own HTTP server takes
 * it over, for good. It holds one request, and while that is being answered a little of what follows.
 */
export class PlainConnection implements AnswerSink {
  readonly socket: Socket;
  private readonly host: PlainHost;
  private quietUntil: number;
  private response: PlainResponse | null = null;
  /** What was read and is not a whole request yet, or came while another one is being answered. */
  private unread: Buffer | null = null;
  private pieces = 0;

  constructor(socket: Socket, host: PlainHost, quietUntil: number) {
    this.socket = socket;
    this.host = host;
    this.quietUntil = quietUntil;
    socket.on("data", this.onData).on("end", this.onEnd).on("error", onError).on("close", this.onClose);
  }

  lastHeaders(closes: boolean): string {
    return this.host.lastHeaders(closes);
  }

  /** Nobody waits for us, and we have waited long enough. In the middle of a request Node's server knows what to say. */
  sweep(nowMs: number): void {
    const { socket, unread } = this;
    if (this.response !== null || this.quietUntil >= nowMs) return;
    if (unread !== null && !socket.isPaused() && !socket.writableEnded) this.handOver(unread);
    // Whoever still reads what it was answered is slow, not idle: as in Node's server, the time begins when all is out.
    else if (socket.writableLength > 0) this.quietUntil = this.host.quietUntil("idle");
    else socket.destroy();
  }

  answered(closes: boolean): void {
    const { socket } = this;
    this.response = null;
    this.quietUntil = this.host.quietUntil("idle");
    if (closes) {
      this.hold(null);
      socket.resume().destroySoon();
    } else if (!socket.writableNeedDrain) this.readOn();
    else {
      // Whoever asks and does not read what it is answered is not read either.
      socket.pause();
      socket.once("drain", this.readOn);
    }
  }

  private handOver(unread: Buffer): void {
    const { socket } = this;
    this.hold(null);
    socket.off("data", this.onData).off("end", this.onEnd).off("error", onError).off("close", this.onClose);
    socket.pause();
    socket.unshift(unread);
    this.host.takeOver(this, socket);
    socket.resume();
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.socket.writableEnded) return; // we have said that we close: nothing that comes now would be answered
    const bytes = this.unread === null ? chunk : Buffer.concat([this.unread, chunk]);
    if (this.response === null && !this.socket.isPaused()) {
      this.read(bytes);
      return;
    }
    // Some of what comes too early is read nevertheless: only who reads hears that the other side has gone.
    this.hold(bytes);
    if (bytes.length >= earlyBytesMax || this.holdTooMuch(0)) this.socket.pause();
  };

  private read(bytes: Buffer): void {
    this.hold(null);
    const request = readPlain(bytes, this.socket, this.host.bounds);
    if (request === "more" && ++this.pieces < piecesMax && !this.holdTooMuch(bytes.length)) {
      this.hold(bytes);
      this.quietUntil = this.host.quietUntil("reading");
      return;
    }
    if (typeof request === "string") {
      this.handOver(bytes);
      return;
    }
    this.pieces = 0;
    this.response = new PlainResponse(this);
    this.host.answer(request, this.response);
  }

  private hold(unread: Buffer | null): void {
    this.host.unreadBytes += (unread?.length ?? 0) - (this.unread?.length ?? 0);
    this.unread = unread;
  }

  private holdTooMuch(more: number): boolean {
    return this.host.unreadBytes + more > this.host.bounds.bodyBytesInFlightMax;
  }

  private readonly readOn = (): void => {
    const { unread, socket } = this;
    if (socket.isPaused()) socket.resume();
    if (unread !== null) this.read(unread);
  };

  /** As in Node's server: who has ended does not wait for an answer. */
  private readonly onEnd = (): void => {
    this.socket.destroySoon();
  };

  private readonly onClose = (): void => {
    this.hold(null);
    this.host.closed(this);
    this.response?.close();
  };
}

const onError = (): void => undefined; // "close" follows
