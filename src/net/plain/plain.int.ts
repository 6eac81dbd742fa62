import { stat } from "node:fs";
import type { Socket } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/fixtures/until.ts";
import { deadlineIn, systemClock } from "../../base/index.ts";
import { failureFrom } from "../failure.ts";
import type { HttpRequest, HttpSink } from "../index.ts";
import { Net, NetFailure } from "../index.ts";
import type { HttpPool } from "../pool.ts";
import { buildConnector, newClient } from "../undici.ts";
import { PlainConnections } from "./connections.ts";
import { HeadReader } from "./head.ts";
import type { Script } from "./raw-server.fixture.ts";
import { play, RawServer } from "./raw-server.fixture.ts";
import { sink } from "../sink.fixture.ts";

const server = new RawServer();
const net = new Net({ clock: systemClock });
beforeAll(() => server.start());
afterAll(async () => {
  await net.stop();
  await server.stop();
});
const pools: HttpPool[] = [];
const openPool = (connectionsMax = 128): HttpPool => {
  const pool = net.openPool({ url: server.url, allow: ["loopback"], connectionsMax });
  pools.push(pool);
  return pool;
};
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
  await until(() => server.open === 0);
  server.script = () => null;
  server.requests.length = 0;
  server.sockets.length = 0;
});

const post = (over: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "POST",
  path: "/mcp",
  headers: ["content-type", "text/plain"],
  body: "hello",
  deadline: deadlineIn(systemClock, 60_000),
  signal: null,
  responseBytesMax: 10_000_000,
  ...over,
});

type Outcome =
  | { readonly status: number; readonly headers: object; readonly body: string }
  | { readonly sent: boolean };

async function outcomeOf(answer: ReturnType<HttpPool["request"]>): Promise<Outcome> {
  try {
    const { status, headers, body } = await answer;
    return { status, headers: { ...headers }, body: body.toString("latin1") };
  } catch (thrown) {
    return { sent: (thrown as NetFailure).sent };
  }
}

/** What undici by itself makes of the same bytes. */
async function byUndici(): Promise<Outcome> {
  const client = newClient(server.url.origin, { allowH2: false });
  let sent = false;
  const answer: ReturnType<HttpPool["request"]> = new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    let headers = {};
    client.dispatch(
      { path: "/mcp", method: "POST", headers: ["content-type", "text/plain"], body: "hello" },
      {
        onRequestStart: () => void (sent = true),
        onResponseStart: (_, receivedStatus, receivedHeaders) => {
          if (receivedStatus < 200) return;
          status = receivedStatus;
          headers = receivedHeaders;
        },
        onResponseData: (_, chunk) => void chunks.push(chunk),
        onResponseEnd: () => resolve({ status, headers, body: Buffer.concat(chunks) }),
        onResponseError: (_, error) => reject(failureFrom(error, sent)),
      },
    );
  });
  const outcome = await outcomeOf(answer);
  await client.destroy();
  return outcome;
}

const plain = (body: string, headers = "") =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
const answers = [
  plain(`{"a":1}`),
  plain("", "Keep-Alive: timeout=5\r\n"),
  plain("abc", "Connection: close\r\n"),
  chunked,
  `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${plain("after a hint")}`,
  "HTTP/1.1 202 Accepted\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
];

/** Bytes that matter to a parser, and any others. */
const byte = fc.oneof(
  fc.constantFrom(..."\r\n: \t\0,;=0123456789+-aZ".split("").map((c) => c.charCodeAt(0))),
  fc.integer({ min: 0, max: 255 }),
);
const line = fc.constantFrom(
  "Transfer-Encoding: chunked",
  "content-length: 5",
  "Content-Length: 0",
  "Connection: close",
  "Connection: keep-alive",
  "Keep-Alive: timeout=0",
  "Set-Cookie: a=b",
  "Set-Cookie: c=d",
  "X-A: b",
  "X-A:b",
  "x-a : b",
  "x-a: ",
  " folded",
  "Upgrade: h2c",
  "__proto__: x",
);
const answered = fc
  .record({
    base: fc.constantFrom(...answers),
    edits: fc.array(
      fc.record({
        at: fc.nat(200),
        take: fc.nat(3),
        put: fc.array(byte, { maxLength: 3 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
      }),
      { maxLength: 2 },
    ),
    lines: fc.array(line, { maxLength: 2 }),
    cuts: fc.array(fc.nat(200), { maxLength: 5 }),
  })
  .map(({ base, edits, lines, cuts }) => {
    let text = base;
    const firstEnd = text.indexOf("\r\n") + 2;
    text = text.slice(0, firstEnd) + lines.map((each) => `${each}\r\n`).join("") + text.slice(firstEnd);
    for (const { at, take, put } of edits)
      text = text.slice(0, at % text.length) + put + text.slice((at % text.length) + take);
    const bytes = Buffer.from(text, "latin1");
    const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
    const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
    return { bytes, pieces: pieces.filter((piece) => piece.length > 0) };
  });

describe("an answer of any form", () => {
  test("is what undici reads in it, and its request is sent once", { timeout: 180_000 }, async () => {
    let [plainly, otherwise] = [0, 0];
    await fc.assert(
      fc.asyncProperty(answered, async ({ bytes, pieces }) => {
        // Everything is said, then the connection ends: so nobody waits for more.
        server.script = () => ({ pieces, last: "end" });
        const expected = await byUndici();
        server.requests.length = 0;
        const pool = net.openPool({ url: server.url, allow: ["loopback"] });
        const found = await outcomeOf(pool.request(post()));
        await pool.close();
        expect(found).toEqual(expected);
        expect(server.requests.length).toBe(1);
        if (typeof new HeadReader(16_384).read(bytes) === "string") otherwise++;
        else plainly++;
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(plainly, otherwise)).toBeGreaterThan(100);
  });
});

const failureOf = (pool: HttpPool, over: Partial<HttpRequest> = {}) =>
  pool.request(post(over)).then(
    () => null,
    (thrown: unknown) => (thrown instanceof NetFailure ? [thrown.kind, thrown.sent] : thrown),
  );

const bodyOf = async (pool: HttpPool, over: Partial<HttpRequest> = {}) =>
  (await pool.request(post(over))).body.toString();

/** The next ones in turn, and the last for all that follow. */
function inTurn(...scripts: readonly (Script | string | null)[]): void {
  let next = 0;
  server.script = () => {
    const script = scripts[Math.min(next++, scripts.length - 1)] ?? null;
    return typeof script === "string" ? { pieces: [script], last: "keep" } : script;
  };
}

describe("a connection", () => {
  test("is used again, and not in the turn in which its answer came", async () => {
    inTurn(plain("a"), plain("b"), { pieces: [plain("c")], last: "end" }, plain("d"));
    const pool = openPool();
    for (const expected of ["a", "b", "c", "d"]) {
      expect(await bodyOf(pool)).toBe(expected);
      // A server that says nothing of it and closes is heard before anything is sent there.
      if (expected === "c") await until(() => server.open === 0);
      expect(server.sockets.length).toBe(expected === "d" ? 2 : 1);
    }
  });

  test.each(["says something unasked", "ends"])(
    "is not used when it %s just before the request is made",
    async (what) => {
      inTurn(plain("a"), plain("b"));
      const pool = openPool();
      expect(await bodyOf(pool)).toBe("a");
      await until(() => server.open === 1);
      // Inside a callback of I/O the loop has already asked what the sockets have.
      const body = await new Promise((resolve) => {
        stat(".", () => {
          if (what === "ends") server.sockets[0]?.end();
          else server.sockets[0]?.write(plain("forged"));
          resolve(bodyOf(pool));
        });
      });
      expect(body).toBe("b");
      expect(server.sockets.length).toBe(2);
    },
  );

  test("is given up when it says something unasked, or too much", async () => {
    inTurn(plain("a"), plain("b") + plain("not asked for"), plain("c"));
    const pool = openPool();
    expect(await bodyOf(pool)).toBe("a");
    server.sockets[0]?.write(plain("forged"));
    await until(() => server.open === 0);
    expect(await bodyOf(pool)).toBe("b");
    await until(() => server.open === 0);
    expect(await bodyOf(pool)).toBe("c");
    expect(server.sockets.length).toBe(3);
  });

  test.each(["Connection: close\r\n", "Keep-Alive: timeout=2\r\n"])(
    "is not used again after %j",
    async (line) => {
      inTurn(plain("a", line));
      const pool = openPool();
      for (const count of [1, 2, 3]) {
        expect(await bodyOf(pool)).toBe("a");
        expect(server.sockets.length).toBe(count);
      }
    },
  );

  test("is not used again by one who waits for it when the server keeps none", async () => {
    inTurn(plain("a", "Keep-Alive: timeout=0\r\n"));
    const pool = openPool(1);
    const asked = [1, 2, 3].map(() => bodyOf(pool));
    expect(await Promise.all(asked)).toEqual(["a", "a", "a"]);
    expect(server.sockets.length).toBe(3);
  });

  test("that rests too long is closed", async () => {
    inTurn(plain("a", "Keep-Alive: timeout=3\r\n"));
    const pool = openPool();
    expect(await bodyOf(pool)).toBe("a");
    expect(server.open).toBe(1);
    await until(() => server.open === 0);
  });

  test("on which the answer came before the request was out is given up", async () => {
    server.script = () => null;
    const pool = openPool();
    const large = pool.request(post({ body: "x".repeat(20_000_000) }));
    await until(() => server.sockets.length === 1);
    const socket = server.sockets[0] as Socket;
    socket.pause();
    await play({ pieces: [plain("enough")], last: "keep" }, socket);
    expect((await large).body.toString()).toBe("enough");
    socket.resume();
    await until(() => server.open === 0);
  });

  test("that breaks leaves no doubt that the request had left", async () => {
    const pool = openPool();
    for (const last of ["end", "reset"] as const)
      for (const pieces of [[], ["HTTP/1.1 2"], [plain("abc").slice(0, -1)], [chunked.slice(0, -9)]]) {
        inTurn({ pieces, last });
        expect(await failureOf(pool)).toEqual([expect.stringMatching(/^(lost|protocol)$/), true]);
      }
  });
});

describe("an answer that undici reads from the middle on", () => {
  test("is told as it comes, and its request was allowed to start once", async () => {
    const pool = openPool();
    const told: string[] = [];
    let socket: Socket | null = null;
    server.script = (_, from) => {
      socket = from;
      return {
        pieces: ["HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"],
        last: "keep",
      };
    };
    pool.send(
      post(),
      sink({
        mayStart: () => told.push("start") > 0,
        onHeaders: (status) => told.push(`${status}`),
        onData: (chunk) => told.push(chunk.toString()),
        onEnd: () => told.push("end"),
        onFailure: ({ kind }) => told.push(kind),
      }),
    );
    await until(() => told.length === 2);
    for (const piece of ["one", "two"]) {
      (socket as Socket | null)?.write(`3\r\n${piece}\r\n`);
      await until(() => told.at(-1) === piece);
    }
    (socket as Socket | null)?.write("0\r\n\r\n");
    await until(() => told.length === 5);
    expect(told).toEqual(["start", "200", "one", "two", "end"]);
    await until(() => server.open === 0);
    expect(server.requests.length).toBe(1);
  });

  test("ends with its deadline, its signal, its bound and its pool as any other", async () => {
    const pool = openPool();
    const hanging = { pieces: [chunked.slice(0, -5)], last: "keep" } as const;
    inTurn(hanging);
    expect(await failureOf(pool, { deadline: deadlineIn(systemClock, 100) })).toEqual(["deadline", true]);
    const next = openPool();
    const caller = new AbortController();
    const withdrawn = failureOf(next, { signal: caller.signal });
    await until(() => server.requests.length === 2);
    caller.abort();
    expect(await withdrawn).toEqual(["aborted", true]);
    expect(await failureOf(openPool(), { responseBytesMax: 4 })).toEqual(["too-large", true]);
    const last = openPool();
    const open = failureOf(last);
    await until(() => server.requests.length === 4);
    await last.close();
    expect(await open).toEqual(["lost", true]);
    await until(() => server.open === 0);
  });

  test("makes undici read the next ones from the start, for a while", async () => {
    const pool = openPool();
    inTurn(chunked, plain("b"));
    expect(await bodyOf(pool)).toBe("abcde");
    for (let i = 0; i < 80; i++) expect(await bodyOf(pool)).toBe("b");
    // One that was handed over, one of undici, and one on which answers are plain again.
    expect(server.sockets.length).toBe(3);
  });

  test("lets undici read no more of the next ones when several come at once", async () => {
    const pool = openPool();
    server.script = () => ({ pieces: server.requests.length > 8 ? [plain("b")] : [chunked], last: "keep" });
    const several = Array.from({ length: 8 }, () => bodyOf(pool));
    expect(await Promise.all(several)).toEqual(several.map(() => "abcde"));
    for (let i = 0; i < 80; i++) expect(await bodyOf(pool)).toBe("b");
    expect(server.sockets.length).toBe(8 + 2);
  });
});

describe("a pool that closes", () => {
  test.each(["POST", "GET"] as const)("makes no connection for a %s of the same turn", async (method) => {
    const pool = openPool();
    const sent = failureOf(pool, { method, body: method === "POST" ? "x" : null });
    await pool.close();
    expect(await sent).toEqual(["closed", false]);
    inTurn(plain("a"));
    // One that is made now would have been made before this one.
    expect(await bodyOf(openPool())).toBe("a");
    expect(server.sockets.length).toBe(1);
  });

  test.each(["POST", "GET"] as const)("sends no %s of one who hears of the end", async (method) => {
    const pool = openPool();
    const heard: unknown[] = [];
    const again = sink({ onFailure: ({ kind, sent }) => heard.push([kind, sent]) });
    const onFailure = () =>
      void pool.send(post({ method, body: method === "POST" ? "x" : null }), {
        ...again,
        mayStart: () => heard.push("start") > 0,
      });
    pool.send(post(), sink({ onFailure }));
    await until(() => server.requests.length === 1);
    await pool.close();
    await until(() => heard.length > 0);
    expect(heard).toEqual([["closed", false]]);
  });
});

describe("connections that are closed", () => {
  test.each([
    ["idle", plain("a")],
    ["awaited", ""],
    ["read by undici", chunked.slice(0, -5)],
  ])("are closed when their owner hears so: %s", async (_, answer) => {
    inTurn(answer);
    let closed = 0;
    const connect = buildConnector({ allowH2: false });
    const connections = new PlainConnections({
      origin: server.url.origin,
      connect: (target, callback) =>
        connect(target, (...made) => {
          made[1]?.once("close", () => closed++);
          callback(...made);
        }),
      connectionsMax: 3,
      headerBytesMax: 16_384,
      clock: systemClock,
      otherwise: () => undefined,
    });
    const handler = {
      onRequestStart: () => undefined,
      onResponseStart: () => undefined,
      onResponseData: () => undefined,
      onResponseEnd: () => undefined,
      onResponseError: () => undefined,
    };
    for (let i = 0; i < 3; i++) expect(connections.dispatch(post(), handler)).toBe(true);
    await until(() => server.requests.length === 3);
    await connections.close();
    expect(closed).toBe(3);
  });
});

describe("many requests", () => {
  test("wait for a connection in the order in which they came", async () => {
    server.script = (request) => ({ pieces: [plain(request.slice(-3))], last: "keep" });
    const pool = openPool(2);
    const names = Array.from({ length: 50 }, (_, i) => String(100 + i));
    expect(await Promise.all(names.map((body) => bodyOf(pool, { body })))).toEqual(names);
    expect(server.sockets.length).toBe(2);
    expect(server.requests.map((request) => request.slice(-3))).toEqual(names);
  });

  test("wait for no stream while undici has room", async () => {
    server.script = (request) => ({
      pieces: [request.endsWith("stream") ? chunked.slice(0, -5) : plain("a")],
      last: "keep",
    });
    const pool = openPool(1);
    const stream = failureOf(pool, { body: "stream" });
    expect(await Promise.all([bodyOf(pool), bodyOf(pool)])).toEqual(["a", "a"]);
    await pool.close();
    expect(await stream).toEqual(["lost", true]);
  });

  test("may be withdrawn while they wait", async () => {
    server.script = () => null;
    const pool = openPool(1);
    const first = failureOf(pool);
    await until(() => server.requests.length === 1);
    const caller = new AbortController();
    const waiting = Array.from({ length: 20_000 }, () => failureOf(pool, { signal: caller.signal }));
    caller.abort();
    for (const kind of await Promise.all(waiting)) expect(kind).toEqual(["aborted", false]);
    inTurn(plain("b"));
    const last = bodyOf(pool);
    server.sockets[0]?.write(plain("a"));
    expect(await first).toBeNull();
    expect(await last).toBe("b");
    expect(server.requests.length).toBe(2);
  });

  test("fail alone where somebody fails over a head or a body", async () => {
    inTurn(plain("abc"), plain("abc"), chunked, chunked, plain("abc"));
    for (const over of [
      { onHeaders: fail },
      { onData: fail },
      { onHeaders: fail },
      { onData: fail },
    ] satisfies Partial<HttpSink>[]) {
      const failure = await new Promise<NetFailure>((resolve) => {
        openPool().send(post(), sink({ ...over, onFailure: resolve }));
      });
      expect([failure.message, failure.sent]).toEqual(["cannot be read", true]);
    }
    expect(await bodyOf(openPool())).toBe("abc");
  });
});

function fail(): void {
  throw new Error("cannot be read");
}
