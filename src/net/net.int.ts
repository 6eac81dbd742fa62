import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { RequestListener, Server } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../test/fixtures/until.ts";
import { deadlineIn, Fault, systemClock } from "../base/index.ts";
import type { AddressScope, HttpRequest, HttpSink } from "./index.ts";
import { Net, NetFailure } from "./index.ts";
import { sink } from "./sink.fixture.ts";

const nets: Net[] = [];
const servers: Server[] = [];

afterEach(async () => {
  for (const net of nets.splice(0)) {
    await net.stop();
    expect(net.poolCount).toBe(0);
  }
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

function open(options: Partial<ConstructorParameters<typeof Net>[0]> = {}): Net {
  const net = new Net({ clock: systemClock, ...options });
  nets.push(net);
  return net;
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const get = (over: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "POST",
  path: "/",
  headers: ["content-type", "text/plain"],
  body: "hello",
  deadline: deadlineIn(systemClock, 60_000),
  signal: null,
  responseBytesMax: 100_000,
  ...over,
});

async function failureOf(work: Promise<unknown>): Promise<NetFailure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof NetFailure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const request = (net: Net, url: string, allow: readonly AddressScope[], over: Partial<HttpRequest> = {}) =>
  net.openPool({ url: new URL(url), allow }).request(get(over));

describe("requests of one turn", () => {
  it("leave when the turn is over, but for those that were withdrawn meanwhile", async () => {
    const paths: string[] = [];
    const port = await serve((incoming, response) => {
      paths.push(incoming.url ?? "");
      response.end();
    });
    const pool = open().openPool({ url: new URL(`http://127.0.0.1:${port}/`), allow: ["loopback"] });
    const told: string[] = [];
    const withdrawn = new AbortController();
    const send = (path: string, signal: AbortSignal | null) =>
      pool.send(
        get({ path, signal }),
        sink({
          onEnd: () => told.push(`${path} ended`),
          onFailure: ({ kind, sent }) => told.push(`${path} ${kind} ${sent}`),
        }),
      );
    send("/a", null);
    send("/b", withdrawn.signal);
    send("/c", null).abort(new NetFailure("aborted", false, "by its owner"));
    withdrawn.abort();
    expect(pool.inFlight).toBe(2);
    await until(() => told.length === 3);
    expect(told.toSorted()).toEqual(["/a ended", "/b aborted false", "/c aborted false"]);
    expect(paths).toEqual(["/a"]);
  });

  it("fail alone where somebody fails over an answer", async () => {
    const port = await serve((_incoming, response) => response.end("ok"));
    const pool = open().openPool({ url: new URL(`http://127.0.0.1:${port}/`), allow: ["loopback"] });
    const told: string[] = [];
    for (const path of ["/a", "/b", "/c"])
      pool.send(
        get({ path }),
        sink({
          onEnd: () => {
            if (path === "/b") throw new Error("cannot be read");
            told.push(`${path} ended`);
          },
          onFailure: ({ message, sent }) => told.push(`${path} ${message} ${sent}`),
        }),
      );
    await until(() => told.length === 3);
    expect(told.toSorted()).toEqual(["/a ended", "/b cannot be read true", "/c ended"]);
  });
});

describe("the guard at connect time", () => {
  it("refuses every way to write an address inside, before anything is connected", async () => {
    let connections = 0;
    const port = await serve((_request, response) => {
      connections++;
      response.end("secret");
    });
    const net = open();
    const hosts = [
      "127.0.0.1",
      "localhost",
      "127.1",
      "0x7f000001",
      "2130706433",
      "0177.0.0.1",
      "[::1]",
      "[::ffff:7f00:1]",
      "0.0.0.0",
      "169.254.169.254",
      "10.0.0.1",
      "192.168.1.1",
      "172.16.0.1",
      "100.64.0.1",
      "[fe80::1]",
      "[fd00::1]",
      "[64:ff9b::7f00:1]",
      "224.0.0.1",
    ];
    for (const host of hosts) {
      const failure = await failureOf(request(net, `http://${host}:${port}/`, []));
      expect([host, failure.kind, failure.sent]).toEqual([host, "refused-address", false]);
    }
    expect(connections).toBe(0);
  });

  it("never lets the metadata address through, whatever is allowed", async () => {
    const failure = await failureOf(request(open(), "http://169.254.169.254/", ["loopback", "private"]));
    expect(failure.kind).toBe("refused-address");
  });

  it("connects to the address it checked: a name that turns inward on the second look gains nothing", async () => {
    const port = await serve((_request, response) => response.end("ok"));
    let lookups = 0;
    const resolve = ((_host: string, _options: unknown, callback: (error: null, found: object[]) => void) => {
      lookups++;
      // The first answer mixes an inner address in; later answers have nothing else.
      callback(
        null,
        lookups === 1
          ? [
              { address: "10.0.0.7", family: 4 },
              { address: "127.0.0.1", family: 4 },
            ]
          : [{ address: "169.254.169.254", family: 4 }],
      );
    }) as unknown as NonNullable<ConstructorParameters<typeof Net>[0]["resolve"]>;
    const net = open({ resolve });
    const pool = net.openPool({ url: new URL(`http://rebind.test:${port}/`), allow: ["loopback"] });
    expect((await pool.request(get())).body.toString()).toBe("ok");
    expect(lookups).toBe(1);
    const second = await failureOf(request(net, `http://rebind.test:${port}/`, ["loopback"]));
    expect(second.kind).toBe("refused-address");
  });
});

describe("a request", () => {
  it("says that no byte left when there is no name, no listener or no TLS", async () => {
    const port = await serve((_request, response) => response.end());
    const net = open();
    const unused = await serve(() => undefined);
    servers.at(-1)?.close();
    const cases = [
      ["connect", `http://127.0.0.1:${unused}/`],
      ["tls", `https://127.0.0.1:${port}/`],
      ["dns", "http://no-such-name.invalid/"],
    ] as const;
    await until(() => servers.at(-1)?.listening === false);
    for (const [kind, url] of cases) {
      const failure = await failureOf(request(net, url, ["loopback"]));
      expect([url, failure.sent]).toEqual([url, false]);
      if (kind !== "dns") expect(failure.kind).toBe(kind);
    }
  });

  it("says that a byte left when the connection broke after the request", async () => {
    const port = await serve((_request, response) => response.destroy());
    const failure = await failureOf(request(open(), `http://127.0.0.1:${port}/`, ["loopback"]));
    expect(failure).toMatchObject({ kind: "lost", sent: true });
  });

  it("follows no redirect", async () => {
    let hits = 0;
    const port = await serve((_request, response) => {
      hits++;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    const response = await request(open(), `http://127.0.0.1:${port}/`, ["loopback"]);
    expect([response.status, hits]).toEqual([302, 1]);
  });

  it("ends at its deadline, by its signal, at its bound, and with its pool", async () => {
    const port = await serve((incoming, response) => {
      if (incoming.url === "/big") response.end("x".repeat(200_000));
      if (incoming.url === "/headers") response.writeHead(200, { "x-big": "y".repeat(40_000) }).end();
    });
    const net = open();
    const url = `http://127.0.0.1:${port}/`;
    const pool = net.openPool({ url: new URL(url), allow: ["loopback"] });
    expect(await failureOf(pool.request(get({ deadline: deadlineIn(systemClock, 60) })))).toMatchObject({
      kind: "deadline",
      sent: true,
    });
    expect(await failureOf(pool.request(get({ signal: AbortSignal.timeout(60) })))).toMatchObject({
      kind: "aborted",
      sent: true,
    });
    expect(await failureOf(pool.request(get({ signal: AbortSignal.abort() })))).toMatchObject({
      kind: "aborted",
      sent: false,
    });
    expect(await failureOf(pool.request(get({ path: "/big" })))).toMatchObject({
      kind: "too-large",
      sent: true,
    });
    expect(await failureOf(pool.request(get({ path: "/headers" })))).toMatchObject({
      kind: "protocol",
      sent: true,
    });
    const stillOpen = failureOf(pool.request(get()));
    await until(() => pool.inFlight === 1);
    await pool.close();
    expect((await stillOpen).kind).toMatch(/lost|closed/);
    expect(await failureOf(pool.request(get()))).toMatchObject({ kind: "closed", sent: false });
  });

  it("that may not start leaves nothing on the wire and keeps the connection for the next", async () => {
    const seen: string[] = [];
    const ports = new Set<number>();
    const port = await serve((incoming, response) => {
      seen.push(String(incoming.url));
      ports.add(incoming.socket.remotePort ?? 0);
      response.end("ok");
    });
    const pool = open().openPool({
      url: new URL(`http://127.0.0.1:${port}/`),
      allow: ["loopback"],
      connectionsMax: 1,
    });
    await pool.request(get({ path: "/first" }));
    const failure = await new Promise<NetFailure>((resolve) => {
      const sink: HttpSink = {
        mayStart: () => false,
        onHeaders: () => undefined,
        onData: () => undefined,
        onEnd: () => undefined,
        onFailure: resolve,
      };
      pool.send(get({ path: "/forbidden" }), sink);
    });
    expect(failure).toMatchObject({ kind: "forbidden", sent: false });
    await pool.request(get({ path: "/second" }));
    expect(seen).toEqual(["/first", "/second"]);
    expect(ports.size).toBe(1);
  });

  it("that waits for a connection can be withdrawn without a trace", async () => {
    const seen: string[] = [];
    let release: () => void = () => undefined;
    const port = await serve((incoming, response) => {
      seen.push(String(incoming.url));
      release = () => response.end("ok");
    });
    const pool = open().openPool({
      url: new URL(`http://127.0.0.1:${port}/`),
      allow: ["loopback"],
      connectionsMax: 1,
    });
    const first = pool.request(get({ path: "/first" }));
    await until(() => seen.length === 1);
    const caller = new AbortController();
    const waiting = failureOf(pool.request(get({ path: "/waiting", signal: caller.signal })));
    caller.abort();
    expect(await waiting).toMatchObject({ kind: "aborted", sent: false });
    release();
    await first;
    const last = pool.request(get({ path: "/last" }));
    await until(() => seen.length === 2);
    release();
    await last;
    expect(seen).toEqual(["/first", "/last"]);
  });
});

describe("the client", () => {
  it("verifies certificates: only an authority that was named is trusted", async () => {
    const directory = mkdtempSync(join(tmpdir(), "signalbox-tls-"));
    const key = join(directory, "key.pem");
    const cert = join(directory, "cert.pem");
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
      ],
      { stdio: "ignore" },
    );
    const server = createTlsServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (_request, response) => response.end("secret"),
    );
    try {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const net = open();
      const stranger = await failureOf(request(net, `https://localhost:${port}/`, ["loopback"]));
      expect(stranger).toMatchObject({ kind: "tls", sent: false });
      const ca = readFileSync(cert, "utf8");
      const known = net.openPool({ url: new URL(`https://localhost:${port}/`), allow: ["loopback"], ca });
      expect((await known.request(get())).body.toString()).toBe("secret");
      const wrongName = net.openPool({ url: new URL(`https://127.0.0.1:${port}/`), allow: ["loopback"], ca });
      expect(await failureOf(wrongName.request(get()))).toMatchObject({ kind: "tls", sent: false });
    } finally {
      server.closeAllConnections();
      server.close();
      rmSync(directory, { recursive: true });
    }
  });

  it("bounds its pools, refuses other schemes, and opens none after it stopped", async () => {
    const net = open({ limits: { poolsMax: 1 } });
    const url = new URL("http://example.com/");
    expect(() => net.openPool({ url: new URL("ftp://example.com/"), allow: [] })).toThrow(Fault);
    net.openPool({ url, allow: [] });
    expect(() => net.openPool({ url, allow: [] })).toThrow(/1 connection pools/);
    await Promise.all([net.stop(), net.stop()]);
    expect(() => net.openPool({ url, allow: [] })).toThrow(/stopped/);
  });
});
