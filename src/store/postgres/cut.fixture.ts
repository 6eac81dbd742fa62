import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/**
 * Stands between a store and its database: passes bytes on until told to cut every connection, to let none through, to keep what comes, to
 * take its time, or to lead elsewhere.
 */
export class Cut {
  /** What the client sends may be the last: "before" cuts the connection instead of passing it on, "after" once it is passed on. */
  onRequest: ((bytes: Buffer) => false | "before" | "after") | null = null;
  target: number;
  port = 0;
  /** How long bytes are under way, in each direction. */
  delayMs = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private isRefusing = false;
  /** What came while nothing gets through, in its order; null = everything gets through. */
  private kept: (() => void)[] | null = null;

  private constructor(target: number) {
    this.target = target;
    this.server = createServer((client) => this.accept(client));
  }

  static async before(target: number): Promise<Cut> {
    const cut = new Cut(target);
    await new Promise<void>((resolve) => cut.server.listen(0, "127.0.0.1", resolve));
    const address = cut.server.address();
    cut.port = typeof address === "object" && address !== null ? address.port : 0;
    return cut;
  }

  through(url: string): string {
    const changed = new URL(url);
    changed.port = String(this.port);
    return changed.href;
  }

  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
    if (isRefusing) this.cutAll();
  }

  /** As when a cable is pulled: nobody is told, and nothing arrives; when it is in again, everything does. */
  stall(isStalled: boolean): void {
    if (isStalled) {
      this.kept ??= [];
      return;
    }
    const kept = this.kept ?? [];
    this.kept = null;
    for (const pass of kept) pass();
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.isRefusing) {
      client.destroy();
      return;
    }
    const upstream = connect(this.target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes: Buffer) => {
      const cut = this.onRequest?.(bytes) ?? false;
      if (cut === "before") client.destroy();
      else if (cut === "after") upstream.write(bytes, () => client.destroy());
      else this.pass(upstream, bytes);
    });
    upstream.on("data", (bytes: Buffer) => this.pass(client, bytes));
  }

  private pass(to: Socket, bytes: Buffer): void {
    const write = (): void => {
      if (!to.destroyed) to.write(bytes);
    };
    if (this.kept !== null) this.kept.push(write);
    else if (this.delayMs > 0) setTimeout(write, this.delayMs);
    else write();
  }
}
