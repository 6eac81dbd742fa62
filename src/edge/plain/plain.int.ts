import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { once } from "node:events";
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RequestParts, RunningEdge } from "../edge.fixture.ts";
import { RawConnection, ask, callBody, requestBytes, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { readPlain } from "./request.ts";

let node: RunningEdge;
beforeAll(async () => {
  node = await startEdge();
});
afterAll(() => node.edge.stop(0));

/** What Node's own server reads in the same bytes. */
class Referee {
  private readonly server: Server = createServer({ keepAliveTimeout: 1 });
  private seen: { method?: string; url?: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];

  async start(): Promise<void> {
    this.server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method = "", url = "", headers } = request;
        this.seen.push({ method, url, headers, body: Buffer.concat(chunks) });
        response.setHeader("Connection", "close");
        response.end();
      });
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  async read(bytes: Buffer) {
    this.seen = [];
    const connection = new RawConnection((this.server.address() as AddressInfo).port);
    connection.write(bytes);
    await connection.closedByServer();
    connection.destroy();
    return this.seen;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

const bounds = { headerBytesMax: 16_384, bodyBytesMax: 65_536 };
const usual = requestBytes({ body: callBody("echo") });

/** Bytes that matter to a parser, and any others. */
const byte = fc.oneof(
  fc.constantFrom(..."\r\n: \t\0,;=0+-{}aZ".split("").map((c) => c.charCodeAt(0))),
  fc.integer({ min: 0, max: 255 }),
);
const edit = fc.record({
  at: fc.nat(usual.length - 1),
  take: fc.nat(4),
  put: fc.array(byte, { maxLength: 4 }),
});
const line = fc.constantFrom(
  "Transfer-Encoding: chunked",
  "content-length: 5",
  "Content-Length: 0",
  "Connection: keep-alive",
  "X-A: b",
  "X-A:b",
  "x-a : b",
  " folded",
  "Host: evil",
  "Expect: 100-continue",
  "__proto__: x",
);

describe("whatever is taken for plain", () => {
  test("is what Node's own server reads in it", { timeout: 120_000 }, async () => {
    const referee = new Referee();
    await referee.start();
    let plain = 0;
    try {
      const edits = fc.array(edit, { maxLength: 2 });
      await fc.assert(
        fc.asyncProperty(edits, fc.array(line, { maxLength: 2 }), async (changes, lines) => {
          let bytes = usual;
          for (const { at, take, put } of changes)
            bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + take)]);
          const headEnd = bytes.indexOf("\r\n") + 2;
          const more = lines.map((each) => `${each}\r\n`).join("");
          bytes = Buffer.concat([bytes.subarray(0, headEnd), Buffer.from(more), bytes.subarray(headEnd)]);
          const found = readPlain(bytes, {} as Socket, bounds);
          if (typeof found === "string") return;
          plain++;
          const { method, url, headers, body } = found;
          expect(await referee.read(bytes)).toEqual([{ method, url, headers, body }]);
        }),
        { numRuns: 3_000 },
      );
    } finally {
      referee.stop();
    }
    expect(plain).toBeGreaterThan(100);
  });
});

describe("an answer is the same, whoever read the request", () => {
  /** Nothing that any of ours looks at; Node reads it. */
  const notPlain = { TE: "trailers" };

  test.each<[string, RequestParts]>([
    ["a result", { body: callBody("echo", { text: "ü" }) }],
    ["a refusal by a tool", { headers: { "Mcp-Name": "denied" }, body: callBody("denied") }],
    ["a token that nobody has", { headers: { Authorization: "Bearer nobody" } }],
    ["no token", { headers: { Authorization: undefined } }],
    [
      "a token that takes a look",
      { headers: { Authorization: "Bearer token-slow" }, body: callBody("echo") },
    ],
    ["another host", { headers: { Host: "evil.example" }, body: callBody("echo") }],
    ["another origin", { headers: { Origin: "http://evil.example" }, body: callBody("echo") }],
    ["a media type that is none of ours", { headers: { "Content-Type": "text/plain" }, body: "{}" }],
    ["an answer that nobody wants", { headers: { Accept: "text/html" }, body: "{}" }],
    ["no JSON", { body: "{" }],
    ["a batch", { body: "[{}]" }],
    ["a name that the body has not", { headers: { "Mcp-Name": "other" }, body: callBody("echo") }],
    ["a message of the older era", { body: '{"jsonrpc":"2.0","id":1,"method":"tools/call"}' }],
    ["a notification", { body: callBody("echo", {}, {}, undefined) }],
  ])("to %s", async (_, parts) => {
    const plainly = await ask(node.port, parts);
    const byNode = await ask(node.port, { ...parts, headers: { ...parts.headers, ...notPlain } });
    expect(plainly.status).toBe(byNode.status);
    expect(plainly.json).toEqual(byNode.json);
    const known = (answer: typeof plainly) =>
      new Map([...answer.headers].map(([k, v]) => [k, k === "date" ? "" : v]));
    expect(known(plainly)).toEqual(known(byNode));
  });
});

describe("a connection", () => {
  const call = (name: string, headers: RequestParts["headers"] = {}) =>
    requestBytes({ body: callBody(name), headers: { "Mcp-Name": name, ...headers } });

  const inFlight = async (edge: RunningEdge, count: number) =>
    new RegExp(`^signalbox_edge_requests_in_flight ${count}$`, "m").test(await edge.metricsText());

  /** More than the system's own buffers hold. */
  const long = `{"content":[{"type":"text","text":"${"x".repeat(8_000_000)}"}]}`;

  const plain = async () =>
    Number(/^signalbox_edge_plain_connections (\d+)/m.exec(await node.metricsText())?.[1]);

  test("goes on with whoever can read what comes next, and back is no way", async () => {
    await until(async () => (await plain()) === 0);
    const connection = new RawConnection(node.port);
    for (const [headers, count] of [
      [{}, 1],
      [{}, 1],
      [{ TE: "trailers" }, 0],
      [{}, 0],
    ] as const) {
      connection.write(call("echo", headers));
      expect((await connection.answer()).status).toBe(200);
      expect(await plain()).toBe(count);
    }
    connection.write(call("echo", { Connection: "close" }));
    expect((await connection.answer()).headers.get("connection")).toBe("close");
    await connection.closedByServer();
  });

  test.each([1, 40, 300, usual.length - 1])("may say a request in two pieces, cut at %i", async (at) => {
    const connection = new RawConnection(node.port);
    connection.write(call("echo"));
    expect((await connection.answer()).status).toBe(200);
    const seen = node.calls.inputs.length;
    connection.write(usual.subarray(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    connection.write(usual.subarray(at));
    expect((await connection.answer()).status).toBe(200);
    expect(node.calls.inputs.length - seen).toBe(1);
    expect(await plain()).toBe(1);
    connection.destroy();
    await until(async () => (await plain()) === 0);
  });

  test("that says a request byte by byte is answered too, by Node's server", async () => {
    const connection = new RawConnection(node.port);
    for (const each of usual) {
      connection.write(Buffer.of(each));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await connection.answer()).status).toBe(200);
    expect(await plain()).toBe(0);
    connection.destroy();
  });

  test("that stops in the middle of a request is told so, by Node's server", async () => {
    const short = await startEdge({
      bounds: { headersTimeoutMs: 100, requestTimeoutMs: 200, timeoutCheckMs: 20 },
    });
    for (const end of [100, usual.length - 1]) {
      const connection = new RawConnection(short.port);
      connection.write(usual.subarray(0, end));
      await connection.closedByServer();
      expect(connection.text).toMatch(/^HTTP\/1.1 408 /);
    }
    await short.edge.stop(0);
  });

  test("may send the next requests before the first is answered", async () => {
    const connection = new RawConnection(node.port);
    connection.write(call("wait"));
    await until(() => node.calls.inputs.at(-1)?.name === "wait");
    connection.write(call("echo"));
    connection.write(Buffer.concat([call("echo"), call("echo", { Connection: "close" })]));
    node.calls.releaseAll();
    for (let i = 0; i < 4; i++) expect((await connection.answer()).status).toBe(200);
    await connection.closedByServer();
  });

  test("may be answered with events and then go on", async () => {
    const connection = new RawConnection(node.port);
    const body = callBody("progress", { text: "ü" }, { progressToken: 7 });
    connection.write(requestBytes({ body, headers: { "Mcp-Name": "progress" } }));
    await connection.until(() => connection.text.endsWith("\r\n0\r\n\r\n"));
    expect(connection.text).toMatch(
      /\r\nTransfer-Encoding: chunked\r\n[^]*\r\n\r\n[0-9a-f]+\r\nevent: message\n/,
    );
    const streamed = connection.text.length;
    connection.write(call("echo"));
    await connection.until(() => connection.text.slice(streamed).includes("content"));
    expect(connection.text.slice(streamed)).toMatch(/^HTTP\/1.1 200 /);
    expect(await plain()).toBe(1);
    connection.destroy();
  });

  test.each([{ mode: "auto" as const }, { mode: { pin: "2026-07-28" } }])(
    "of the official client is plain (%j)",
    async (negotiation) => {
      const fresh = await startEdge();
      const client = new Client({ name: "test", version: "1" }, { versionNegotiation: negotiation });
      const authorization = { Authorization: "Bearer token-a" };
      await client.connect(
        new StreamableHTTPClientTransport(new URL("/mcp", fresh.url), {
          requestInit: { headers: authorization },
        }),
      );
      expect((await client.listTools()).tools).toHaveLength(1);
      await client.callTool({ name: "echo", arguments: {} });
      const text = await fresh.metricsText();
      const count = (name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
      expect(count("signalbox_edge_plain_connections")).toBeGreaterThan(0);
      expect(count("signalbox_edge_plain_connections")).toBe(count("signalbox_edge_connections"));
      await client.close();
      await fresh.edge.stop(0);
    },
  );

  test("that is lost ends its call, half or whole", async () => {
    for (const lose of ["destroy", "halfClose"] as const) {
      node.calls.aborted.length = 0;
      const connection = new RawConnection(node.port);
      connection.write(call("wait"));
      await until(() => node.calls.inputs.at(-1)?.name === "wait");
      connection[lose]();
      await until(() => node.calls.aborted.includes("wait"));
      connection.destroy();
      node.calls.releaseAll();
    }
  });

  test("that asks and does not read is not read either", async () => {
    const slow = await startEdge();
    slow.calls.rawText = `{"content":[{"type":"text","text":"${"x".repeat(200_000)}"}]}`;
    const connection = new RawConnection(slow.port);
    connection.pause();
    const asked = 300;
    for (let i = 0; i < asked; i++) {
      connection.write(call("raw"));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // As much as the system's own buffers hold, and not all of it.
    await until(async () => {
      const before = slow.calls.inputs.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return before > 0 && slow.calls.inputs.length === before;
    });
    expect(slow.calls.inputs.length).toBeLessThan(asked);
    connection.resume();
    for (let i = 0; i < asked; i++) expect((await connection.answer()).status).toBe(200);
    connection.destroy();
    await slow.edge.stop(0);
  });

  test("that reads slowly is not idle, however long its answer takes", async () => {
    const short = await startEdge({ bounds: { idleTimeoutMs: 20, timeoutCheckMs: 5 } });
    short.calls.rawText = long;
    const connection = new RawConnection(short.port);
    connection.pause();
    connection.write(call("raw"));
    await until(() => short.calls.inputs.length === 1);
    // Longer than an idle connection is left open.
    const idle = new RawConnection(short.port);
    idle.write(call("echo"));
    await idle.closedByServer();
    connection.resume();
    expect((await connection.answer()).body.length).toBeGreaterThan(long.length);
    await connection.closedByServer();
    await short.edge.stop(0);
  });

  test("that has not taken its whole answer yet is waited for when the node stops", async () => {
    const stopping = await startEdge();
    stopping.calls.rawText = long;
    const connection = new RawConnection(stopping.port);
    connection.pause();
    connection.write(call("raw"));
    await until(() => stopping.calls.inputs.length === 1);
    await until(() => inFlight(stopping, 1));
    const stopped = stopping.edge.stop(10_000);
    connection.resume();
    expect((await connection.answer()).body.length).toBeGreaterThan(long.length);
    await stopped;
  });

  test("that sends too early and is lost ends its call nevertheless", async () => {
    const fresh = await startEdge();
    const connection = new RawConnection(fresh.port);
    connection.write(call("wait"));
    await until(() => fresh.calls.inputs.length === 1);
    for (let i = 0; i < 3; i++) {
      connection.write(call("echo"));
      await ask(fresh.port, { headers: { Authorization: undefined } }); // it has come by then, in a piece of its own
    }
    connection.halfClose();
    await until(() => fresh.calls.aborted.includes("wait"));
    await until(() => inFlight(fresh, 0));
    connection.destroy();
    await fresh.edge.stop(0);
  });

  test("in the middle of a request is Node's when all of them hold too much", async () => {
    const small = await startEdge({ bounds: { bodyBytesInFlightMax: 2 * usual.length } });
    const gauge = async () => /^signalbox_edge_plain_connections (\d+)/m.exec(await small.metricsText())?.[1];
    const connections = [1, 2, 3].map(() => new RawConnection(small.port));
    for (const each of connections) each.write(usual.subarray(0, -1));
    await until(async () => (await gauge()) === "2");
    for (const each of connections) {
      each.write(usual.subarray(-1));
      expect((await each.answer()).status).toBe(200);
    }
    expect(small.calls.inputs.length).toBe(3);
    const fourth = new RawConnection(small.port);
    fourth.write(usual.subarray(0, -1));
    await until(async () => (await gauge()) === "3");
    for (const each of [...connections, fourth]) each.destroy();
    await small.edge.stop(0);
  });

  test("that says nothing is closed, at first and after an answer", async () => {
    const short = await startEdge({
      bounds: { headersTimeoutMs: 150, idleTimeoutMs: 1_000, timeoutCheckMs: 20 },
    });
    const silent = new RawConnection(short.port);
    const answered = new RawConnection(short.port);
    answered.write(call("echo"));
    const answer = await answered.answer();
    expect(answer.headers.get("keep-alive")).toBe("timeout=1");
    await silent.closedByServer();
    await answered.closedByServer();
    await short.edge.stop(0);
  });

  test("is told to end when the node stops, after its answer", async () => {
    const stopping = await startEdge();
    const connection = new RawConnection(stopping.port);
    const idle = new RawConnection(stopping.port);
    idle.write(call("echo"));
    await idle.answer();
    connection.write(call("wait"));
    await until(() => stopping.calls.inputs.length === 2);
    const stopped = stopping.edge.stop(10_000);
    connection.write(call("echo")); // comes too late to be done
    idle.write(call("echo"));
    expect(await idle.answer()).toMatchObject({ status: 503 });
    await idle.closedByServer();
    stopping.calls.releaseAll();
    const answer = await connection.answer();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("connection")).toBe("close");
    await connection.closedByServer();
    await stopped;
    expect(stopping.calls.inputs).toHaveLength(2);
  });

  test("is counted, and one too many is refused", async () => {
    const few = await startEdge({ bounds: { connectionsMax: 2 } });
    const connections = [new RawConnection(few.port), new RawConnection(few.port)];
    for (const connection of connections) {
      connection.write(call("echo"));
      await connection.answer();
    }
    expect(await few.metricsText()).toMatch(/signalbox_edge_connections 2/);
    const third = new RawConnection(few.port);
    await third.closedByServer();
    for (const connection of connections) connection.destroy();
    await until(async () => /signalbox_edge_connections 0/.test(await few.metricsText()));
    await few.edge.stop(0);
  });
});
