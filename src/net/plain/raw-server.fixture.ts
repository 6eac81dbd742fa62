import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";

/** What a server does when a whole request has come: these bytes, each piece in a turn of its own, and then this with the connection. */
export interface Script {
  readonly pieces: readonly (string | Buffer)[];
  readonly last: "keep" | "end" | "reset";
}

/** Speaks bytes and knows nothing of HTTP but where a request ends. */
export class RawServer {
  script: (request: string, socket: Socket) => Script | null = () => null;
  /** Whole requests, in the order in which they came. */
  readonly requests: string[] = [];
  readonly sockets: Socket[] = [];
  private readonly server: Server = createServer((socket) => this.serve(socket));

  async start(): Promise<void> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`);
  }

  get open(): number {
    return this.sockets.filter((socket) => !socket.destroyed).length;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, "close");
  }

  private serve(socket: Socket): void {
    this.sockets.push(socket);
    let text = "";
    socket.setNoDelay(true).on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const headEnd = text.indexOf("\r\n\r\n") + 4;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (headEnd < 4 || text.length < headEnd + length) return;
      const request = text.slice(0, headEnd + length);
      text = text.slice(headEnd + length);
      this.requests.push(request);
      const script = this.script(request, socket);
      if (script !== null) void play(script, socket);
    });
  }
}

export async function play({ pieces, last }: Script, socket: Socket): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (last === "end") socket.end();
  if (last === "reset") socket.resetAndDestroy();
}
