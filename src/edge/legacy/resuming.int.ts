import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunningEdge } from "../edge.fixture.ts";
import { RawConnection, ask, requestBytes, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import {
  events,
  headersOf,
  initializeBody,
  message,
  official,
  openSession,
  streaming,
} from "./session.fixture.ts";

let node: RunningEdge;
const open: RawConnection[] = [];

beforeEach(async () => {
  // A call that takes long becomes a stream by itself, after this.
  node = await startEdge({ bounds: { keepAliveCommentMs: 20 } });
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy();
  await node.edge.stop(0);
});

const calling = (session: string, id: number): RawConnection => {
  const connection = streaming(node.port, session, message("tools/call", { name: "wait" }, id));
  open.push(connection);
  return connection;
};

/** The name that the stream's first event gives it. */
async function nameOf(connection: RawConnection): Promise<string> {
  await connection.until(() => connection.text.includes("retry: "));
  return /^id: (\S+)\r?\nretry: 1000\r?\ndata: \r?$/m.exec(connection.text)?.[1] ?? "";
}

function comingBack(session: string, name: string, token = "token-a"): RawConnection {
  const connection = new RawConnection(node.port);
  const headers = { ...headersOf(session, token), "Content-Length": undefined, "Last-Event-ID": name };
  connection.write(requestBytes({ method: "GET", body: "", headers }));
  open.push(connection);
  return connection;
}

const hasAnswer = (connection: RawConnection, id: number) => (): boolean =>
  events(connection).some((event) => event.id === id && event.result !== undefined);

describe("a client whose stream broke", () => {
  test("comes back while its call goes on, and hears the answer there", async () => {
    const session = await openSession(node.port);
    const broken = calling(session, 7);
    const name = await nameOf(broken);
    expect(name).toMatch(/^stream_/);
    broken.destroy();
    const next = comingBack(session, name);
    expect(await nameOf(next)).toBe(name);
    node.calls.releaseAll();
    await next.until(hasAnswer(next, 7));
    expect(node.calls.inputs).toHaveLength(1);
  });

  test("comes back for an answer that was made while it was away, and as often as it likes", async () => {
    const session = await openSession(node.port);
    const broken = calling(session, 8);
    const name = await nameOf(broken);
    broken.destroy();
    node.calls.releaseAll();
    for (let times = 0; times < 2; times++) {
      const next = comingBack(session, name);
      await next.until(hasAnswer(next, 8));
      await next.until(() => next.text.endsWith("0\r\n\r\n"));
    }
  });

  test("takes over a stream that only seems to be open", async () => {
    const session = await openSession(node.port);
    const silent = calling(session, 9);
    const next = comingBack(session, await nameOf(silent));
    await nameOf(next);
    node.calls.releaseAll();
    await next.until(hasAnswer(next, 9));
    expect(hasAnswer(silent, 9)()).toBe(false);
  });

  test("hears nothing of another session's call", async () => {
    const [mine, theirs] = [await openSession(node.port), await openSession(node.port, "token-b")];
    const name = await nameOf(calling(mine, 1));
    const other = comingBack(theirs, name, "token-b");
    await other.until(() => other.text.includes("\r\n\r\n"));
    node.calls.releaseAll();
    await until(() => node.calls.inputs.length === 1);
    expect(events(other)).toEqual([]);
    expect(other.text).not.toContain(name);
  });

  test("of a revision that knows nothing of it gets streams without names", async () => {
    const begun = await ask(node.port, {
      body: initializeBody({}, "2025-06-18"),
      headers: headersOf(undefined),
    });
    const stream = calling(begun.headers.get("mcp-session-id") ?? "", 2);
    await stream.until(() => stream.text.includes("text/event-stream"));
    node.calls.releaseAll();
    await stream.until(hasAnswer(stream, 2));
    expect(stream.text).not.toContain("retry:");
  });
});

describe("the official client", () => {
  /** A network that breaks: everything that is open through it, at once. */
  class Line {
    readonly sockets = new Set<Socket>();
    private readonly server: Server;

    static async to(port: number): Promise<Line> {
      const line = new Line(port);
      await new Promise<void>((resolve) => line.server.listen(0, "127.0.0.1", resolve));
      return line;
    }

    private constructor(port: number) {
      this.server = createServer((near) => {
        const far = connect(port, "127.0.0.1");
        for (const socket of [near, far]) {
          this.sockets.add(socket);
          socket.on("error", () => undefined);
          socket.once("close", () => {
            this.sockets.delete(socket);
            near.destroy();
            far.destroy();
          });
        }
        near.pipe(far).pipe(near);
      });
    }

    get url(): string {
      return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    cut(): void {
      for (const socket of this.sockets) socket.destroy();
    }

    async stop(): Promise<void> {
      const closed = new Promise((resolve) => this.server.close(resolve));
      this.cut();
      await closed;
    }
  }

  test("gets the answer of a call whose connection was cut, without calling again", async () => {
    const line = await Line.to(node.port);
    const { client, transport } = official(line.url, "token-a");
    await client.connect(transport);
    let isNamed = false;
    const answer = client.callTool(
      { name: "wait", arguments: {} },
      { onresumptiontoken: () => (isNamed = true) },
    );
    await until(() => isNamed);
    line.cut();
    await until(() => line.sockets.size === 0);
    node.calls.releaseAll();
    expect(await answer).toMatchObject({ content: [{ text: "waited" }] });
    expect(node.calls.inputs).toHaveLength(1);
    await client.close();
    await line.stop();
  });
});
