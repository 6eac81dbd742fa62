import { lookup } from "node:dns";
import type { Server } from "node:https";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeCertificates } from "../../test/fixtures/postgres.ts";
import { ManualClock, systemClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { Net } from "../net/index.ts";
import { ClientDocuments } from "./client-documents.ts";
import { SignInWorld } from "./sign-in.fixture.ts";

const certificates = makeCertificates();
const net = new Net({ clock: systemClock });
let server: Server;
let origin: string;
let requests = 0;
/** What stands at every address. */
let body: (path: string) => string;
let status = 200;
let contentType = "application/json";
/** While not null, answers wait for it. */
let held: Promise<void> | null = null;

beforeAll(async () => {
  net.start();
  server = createServer({ key: certificates.key, cert: certificates.cert }, (request, response) => {
    requests++;
    const path = request.url ?? "";
    void (held ?? Promise.resolve()).then(() =>
      response.writeHead(status, { "content-type": contentType, location: "/other" }).end(body(path)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await net.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  requests = 0;
  [status, contentType, held] = [200, "application/json", null];
  body = (path) => JSON.stringify(documentAt(path));
});

const documentAt = (path: string) => ({
  client_id: `${origin}${path}`,
  client_name: "Editor",
  redirect_uris: ["http://127.0.0.1/cb"],
});
const documents = (clock: Clock = systemClock, through = net): ClientDocuments =>
  new ClientDocuments({ net: through, clock, allow: ["loopback"], ca: certificates.ca, resolve: lookup });

describe("a client whose id is the address of its metadata", () => {
  test("is what stands there, which is kept for five minutes", async () => {
    const clock = new ManualClock();
    const own = new Net({ clock }); // deadlines are told by one clock
    own.start();
    const reader = documents(clock, own);
    const read = () => reader.read(`${origin}/client.json`);
    const claims = { ok: true, value: { name: "Editor", redirectUris: ["http://127.0.0.1/cb"] } };
    expect([await read(), await read(), requests]).toEqual([claims, claims, 1]);
    clock.advance(5 * 60_000);
    expect([await read(), requests]).toEqual([claims, 2]);
    await own.stop();
  });

  const wrong: readonly (readonly [string, () => void])[] = [
    [
      "names another address",
      () => (body = (path) => JSON.stringify({ ...documentAt(path), client_id: origin })),
    ],
    ["names none", () => (body = () => '{"redirect_uris":["http://127.0.0.1/cb"]}')],
    ["has a secret", () => (body = (path) => JSON.stringify({ ...documentAt(path), client_secret: "x" }))],
    [
      "wants to prove itself by one",
      () =>
        (body = (path) =>
          JSON.stringify({ ...documentAt(path), token_endpoint_auth_method: "client_secret_basic" })),
    ],
    [
      "has an address to come back to that is none",
      () => (body = (path) => JSON.stringify({ ...documentAt(path), redirect_uris: ["javascript:x"] })),
    ],
    ["is not there", () => (status = 404)],
    ["is elsewhere now", () => (status = 302)],
    ["is a page", () => (contentType = "text/html")],
    ["is not JSON", () => (body = () => "{")],
    ["is a list", () => (body = () => "[]")],
    [
      "is too large",
      () => (body = (path) => JSON.stringify({ ...documentAt(path), more: "x".repeat(17_000) })),
    ],
  ];
  test.each(wrong)("is refused when its document %s, and looked at again", async (_what, spoil) => {
    const reader = documents();
    spoil();
    expect(await reader.read(`${origin}/client.json`)).toMatchObject({ ok: false });
    [status, contentType] = [200, "application/json"];
    body = (path) => JSON.stringify(documentAt(path));
    expect(await reader.read(`${origin}/client.json`)).toMatchObject({ ok: true });
  });

  test("has to be written as a browser writes it, with a path; nothing is asked otherwise", async () => {
    for (const id of [
      origin,
      `${origin}/`,
      `${origin}/a#b`,
      `${origin}/a/../b`,
      `${origin.replace("https", "HTTPS")}/a`,
      `https://me@${origin.slice(8)}/a`,
      `${origin}/${"x".repeat(1_024)}`,
    ])
      expect([id, await documents().read(id)]).toMatchObject([id, { ok: false }]);
    expect(requests).toBe(0);
  });

  test("is not read from an address that is not public", async () => {
    const reader = new ClientDocuments({ net, clock: systemClock, ca: certificates.ca });
    for (const host of [origin.slice(8), "10.0.0.1", "169.254.169.254", "[::1]"])
      expect(await reader.read(`https://${host}/client.json`)).toMatchObject({
        ok: false,
        refusal: { error: "invalid_client", description: expect.stringContaining("could not be read") },
      });
    expect(requests).toBe(0);
  });

  test("has a name that strangers chose: the system, whose threads all names share, does not look it up", async () => {
    const named: string[] = [];
    const own = new Net({
      clock: systemClock,
      resolve: (name, _options, callback) => {
        named.push(name);
        callback(null, []);
      },
    });
    own.start();
    const reader = new ClientDocuments({ net: own, clock: systemClock });
    expect(await reader.read("https://client.invalid/client.json")).toMatchObject({ ok: false });
    expect(named).toEqual([]);
    await own.stop();
  });

  test("signs in as any other, and the page says whose word its name is", async () => {
    const world = new SignInWorld();
    const desk = await world.node({ documents: documents() });
    const agent = await desk.holder("invoicer");
    const client = `${origin}/client.json`;
    const page = await desk.authorize(client);
    expect(page.text).toContain(`so says <strong>${origin.slice(8)}</strong>`);
    expect((await desk.authorize(client, { redirect_uri: "http://127.0.0.1/other" })).status).toBe(400);
    const got = await desk.token(await desk.signedIn(agent.key, { client_id: client }));
    expect(got.status).toBe(200);
    await world.stop();
  });

  test("is one of few that are looked up at once", async () => {
    const reader = documents();
    let release = (): void => undefined;
    held = new Promise((resolve) => (release = resolve));
    const first = Array.from({ length: 16 }, (_, i) => reader.read(`${origin}/${i}`));
    expect(await reader.read(`${origin}/one-more`)).toMatchObject({
      refusal: { error: "temporarily_unavailable" },
    });
    release();
    expect((await Promise.all(first)).every(({ ok }) => ok)).toBe(true);
    expect(await reader.read(`${origin}/one-more`)).toMatchObject({ ok: true });
  });
});
