import type { Socket } from "node:net";
import { connect } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers, as they came. */
  readonly head: string;
  readonly body: string;
}

/**
 * One keep-alive connection for load generators, one request at a time: whole requests out, answers told apart by Content-Length or the last
 * chunk. A client library takes as much of the machine as what is measured; this takes a tenth of that. Texts are Latin-1: a character per byte.
 */
export class RawConnection {
  private readonly socket: Socket;
  private received = "";
  private waiting: PromiseWithResolvers<RawAnswer> | null = null;

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.socket.setEncoding("latin1").on("data", (text: string) => this.receive(text));
    this.socket.on("error", () => undefined); // "close" follows
    this.socket.on("close", () => this.take()?.reject(new Error("the connection was lost")));
  }

  get isLost(): boolean {
    return this.socket.destroyed;
  }

  /** Rejects when the connection is lost. */
  ask(request: string): Promise<RawAnswer> {
    this.waiting = Promise.withResolvers();
    const { promise } = this.waiting;
    if (this.isLost) this.take()?.reject(new Error("the connection is lost"));
    else this.socket.write(request, "latin1");
    return promise;
  }

  /** What is not answered to its end, like a stream. */
  send(request: string): void {
    this.socket.write(request, "latin1");
  }

  end(): void {
    this.socket.end();
  }

  private receive(text: string): void {
    this.received = this.received === "" ? text : this.received + text;
    const headEnd = this.received.indexOf("\r\n\r\n");
    if (headEnd === -1) return;
    const head = this.received.slice(0, headEnd);
    const body = this.received.slice(headEnd + 4);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const isWhole =
      length === undefined && /\r\ntransfer-encoding: chunked/i.test(head)
        ? body.endsWith("0\r\n\r\n")
        : body.length >= Number(length ?? 0);
    if (!isWhole) return;
    this.received = "";
    this.take()?.resolve({ status: Number(head.slice(9, 12)), head, body });
  }

  private take(): PromiseWithResolvers<RawAnswer> | null {
    const { waiting } = this;
    this.waiting = null;
    return waiting;
  }
}

/** As many requests at once as there are connections; the others wait their turn, first come, first served. */
export class RawPool {
  private readonly port: number;
  private readonly idle: RawConnection[];
  private readonly queue: ((connection: RawConnection) => void)[] = [];
  private head = 0;

  constructor(port: number, connections: number) {
    this.port = port;
    this.idle = Array.from({ length: connections }, () => new RawConnection(port));
  }

  async ask(request: string): Promise<RawAnswer> {
    const connection =
      this.idle.pop() ?? (await new Promise<RawConnection>((resolve) => this.queue.push(resolve)));
    try {
      return await connection.ask(request);
    } finally {
      this.giveBack(connection.isLost ? new RawConnection(this.port) : connection);
    }
  }

  end(): void {
    for (const connection of this.idle) connection.end();
  }

  private giveBack(connection: RawConnection): void {
    const next = this.queue[this.head];
    if (next === undefined) {
      this.queue.length = 0;
      this.head = 0;
      this.idle.push(connection);
      return;
    }
    this.head++;
    next(connection);
  }
}
