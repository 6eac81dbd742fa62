import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { buildConnector } from "undici";
import type { AnswerHandler, AnswerReader } from "../answer-handler.ts";
import { NetFailure } from "../failure.ts";
import type { StreamRequest } from "../http-request.ts";
import { newClient } from "../undici.ts";

/**
 * A connection on which the request has gone out already: what undici writes to it goes nowhere, and what it reads is what was read
 * so far and all that follows. It has nothing to read before the request was written: undici takes nothing that comes without being asked for.
 */
class SentAlready extends Duplex {
  private readonly socket: Socket;
  /** null = given. */
  private first: Buffer | null;

  constructor(socket: Socket, read: Buffer) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.first = read;
    socket.pause();
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.once("close", () => this.push(null));
  }

  override _read(): void {
    if (this.first === null) this.socket.resume();
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    const { first } = this;
    this.first = null;
    done();
    if (first !== null && this.push(first)) this.socket.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}

/**
 * Undici reads the rest of an answer of which `read` has come on `socket`, tells `handler`, and then ends the connection. The request is
 * not sent again. The returned reader is for whoever gives it up.
 */
export function readOn(
  socket: Socket,
  read: Buffer,
  sent: { readonly origin: string; readonly request: StreamRequest; readonly headerBytesMax: number },
  handler: AnswerHandler,
): AnswerReader {
  const { origin, request, headerBytesMax } = sent;
  const connection = new SentAlready(socket, read);
  const client = newClient(origin, {
    // Later: connected in the same turn, it would not send.
    connect: (_target, connected) => process.nextTick(give, connection, connected),
    maxHeaderSize: headerBytesMax,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    pipelining: 1,
  });
  let isGivenUp = false;
  const reader: AnswerReader = {
    abort: () => {
      isGivenUp = true;
      connection.destroy();
    },
  };
  client.dispatch(
    {
      path: request.path,
      method: request.method,
      headers: request.headers as string[],
      body: request.body,
      reset: true, // the connection is not used again
    },
    {
      onRequestStart: () => undefined, // it has started long ago
      onResponseStart: (_controller, status, headers) => {
        if (!isGivenUp) handler.onResponseStart(reader, status, headers);
      },
      onResponseData: (_controller, chunk) => {
        if (!isGivenUp) handler.onResponseData(reader, chunk);
      },
      onResponseEnd: () => {
        if (!isGivenUp) handler.onResponseEnd();
        end(client);
      },
      onResponseError: (_controller, error) => {
        if (!isGivenUp) handler.onResponseError(reader, error);
        end(client);
      },
    },
  );
  return reader;
}

function give(connection: SentAlready, connected: buildConnector.Callback): void {
  if (connection.destroyed) connected(new NetFailure("lost", true, "other side closed"), null);
  else connected(null, connection as unknown as Socket);
}

/** What fails here fails on a connection that is gone. */
const end = (client: { destroy(): Promise<void> }): void => void client.destroy().catch(() => undefined);
