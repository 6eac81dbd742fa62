import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock, wallMs } from "../base/index.ts";
import { Net, Webhook } from "./index.ts";

/** Standard Webhooks, from the specification and without our code: what a receiver does. Throws when the message is not to be trusted. */
function verify(secret: string, headers: IncomingHttpHeaders, body: string): void {
  const [id, at, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(
    (name) => headers[name] as string,
  );
  if (Math.abs(Date.now() / 1000 - Number(at)) > 300) throw new Error("too old, or from the future");
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${at}.${body}`).digest();
  const isSigned = signatures!.split(" ").some((each) => {
    const given = Buffer.from(each.replace(/^v1,/, ""), "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!isSigned) throw new Error("not signed with this secret");
}

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const newer = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
const message = { id: "msg_1", body: '{"type":"x.happened","data":{"text":"für Élise"}}' };

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly url: string;
}

async function receiver(status: number, headers: Record<string, string> = {}) {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        url: request.url ?? "",
      });
      response.writeHead(status, headers).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?room=1` };
}

function webhook(url: string, allow: readonly "loopback"[] = ["loopback"]): Webhook {
  const net = new Net({ clock: systemClock });
  net.start();
  open.push({ close: () => net.stop() });
  return new Webhook({ net, clock: systemClock, url: new URL(url), allow });
}

test("a message is taken by whoever verifies its signature, and by nobody who was meant for another", async () => {
  const { received, url } = await receiver(204);
  expect(await webhook(url).send(message, secret, null)).toEqual({ kind: "taken" });
  const [{ headers, body, url: path }] = received as [Received];
  expect([body, path, headers["webhook-id"]]).toEqual([message.body, "/hooks?room=1", "msg_1"]);
  verify(secret, headers, body);
  expect(() => verify(newer, headers, body)).toThrow("not signed");
  expect(() => verify(secret, headers, `${body} `)).toThrow("not signed");
  expect(() => verify(secret, { ...headers, "webhook-id": "msg_2" }, body)).toThrow("not signed");
});

test("while receivers change over, both of two secrets verify", async () => {
  const { received, url } = await receiver(200);
  await webhook(url).send(message, `${secret} ${newer}`, null);
  const [{ headers, body }] = received as [Received];
  verify(secret, headers, body);
  verify(newer, headers, body);
});

test.each([
  [500, {}, { kind: "failed", afterMs: null }],
  [429, { "retry-after": "120" }, { kind: "failed", afterMs: 120_000 }],
  [503, { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }, { kind: "failed", afterMs: null }],
  [302, { location: "/elsewhere" }, { kind: "failed" }],
  [410, {}, { kind: "gone" }],
])("status %i is said as what it means", async (status, headers, answer) => {
  const { received, url } = await receiver(status, headers);
  expect(await webhook(url).send(message, secret, null)).toMatchObject(answer);
  expect(received).toHaveLength(1);
});

test("an address inside, no listener, a secret that is none and a withdrawn message are failures, and nothing is sent", async () => {
  const { received, url } = await receiver(200);
  const inside = await webhook(url, []).send(message, secret, null);
  expect(inside).toMatchObject({ kind: "failed", detail: expect.stringContaining("refused-address") });
  for (const bad of ["", "hunter2", "whsec_c2hvcnQ=", `${secret} ${secret} ${secret}`])
    expect(await webhook(url).send(message, bad, null)).toMatchObject({ kind: "failed" });
  expect(await webhook(url).send(message, secret, AbortSignal.abort())).toMatchObject({ kind: "failed" });
  expect(received).toEqual([]);
});

test("a message is signed as the standard's own example", async () => {
  // https://github.com/standard-webhooks/standard-webhooks, the vector that its libraries test with.
  const to = await receiver(204);
  const net = new Net({ clock: systemClock });
  net.start();
  const clock = { ...systemClock, wall: () => wallMs(1_614_265_330_000) };
  const sender = new Webhook({ net, clock, url: new URL(to.url), allow: ["loopback"] });
  open.push(sender);
  const sent = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
  await sender.send(sent, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", null);
  expect(to.received[0]?.headers["webhook-signature"]).toBe(
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});
