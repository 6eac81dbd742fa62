import { OAuthMetadataSchema } from "@modelcontextprotocol/sdk/shared/auth.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Desk, Fields, Holder } from "./sign-in.fixture.ts";
import {
  SignInWorld,
  base,
  calledBackAt,
  callback,
  headerOf,
  queryOf,
  sealedIn,
  sentTo,
} from "./sign-in.fixture.ts";

let world: SignInWorld;
let desk: Desk;
let agent: Holder;

beforeEach(async () => {
  world = new SignInWorld();
  desk = await world.node();
  agent = await desk.holder("invoicer");
});
afterEach(async () => {
  expect(desk.troubles).toEqual([]);
  await world.stop();
});

describe("what is said about signing in", () => {
  test("names this node in all places alike, and is as clients read it", async () => {
    const { status, text } = await desk.ask({ path: "/.well-known/oauth-authorization-server" });
    expect(status).toBe(200);
    expect(OAuthMetadataSchema.parse(JSON.parse(text))).toMatchObject({
      issuer: base,
      authorization_endpoint: `${base}/oauth/authorize`,
      token_endpoint: `${base}/oauth/token`,
      registration_endpoint: `${base}/oauth/register`,
      code_challenge_methods_supported: ["S256"],
      scopes_supported: ["mcp:read", "mcp:call"],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
    });
    const named = await desk.ask({
      path: "/.well-known/oauth-authorization-server",
      base: "https://box.example",
    });
    expect(JSON.parse(named.text)).toMatchObject({ issuer: "https://box.example" });
  });

  test.each([
    ["POST", "/.well-known/oauth-authorization-server", "GET"],
    ["GET", "/oauth/register", "POST"],
    ["GET", "/oauth/token", "POST"],
    ["DELETE", "/oauth/authorize", "GET, POST"],
  ])("%s of %s is not a way", async (method, path, allowed) => {
    const answer = await desk.ask({ method, path });
    expect([answer.status, headerOf(answer, "allow")]).toEqual([405, allowed]);
  });
});

describe("a client that registers", () => {
  test("is told what it has become: public, without what it cannot have", async () => {
    const said = {
      client_name: "Editor",
      redirect_uris: [callback],
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "client_secret_basic",
      application_type: "native",
    };
    const answer = await desk.post(
      "/oauth/register",
      JSON.stringify(said),
      "application/json; charset=utf-8",
    );
    expect(answer.status).toBe(201);
    expect(headerOf(answer, "cache-control")).toBe("no-store");
    expect(JSON.parse(answer.text)).toEqual({
      client_id: expect.stringMatching(/^sbc_[A-Za-z0-9_-]+$/),
      client_id_issued_at: expect.any(Number),
      client_name: "Editor",
      redirect_uris: [callback],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      scope: "mcp:read mcp:call",
      application_type: "native",
    });
  });

  test("leaves nothing in the store, and is known on another node", async () => {
    const before = await desk.entries(100);
    const clientId = await desk.register();
    expect(await desk.entries(100)).toEqual(before);
    const other = await world.node();
    expect((await other.authorize(clientId)).status).toBe(200);
  });

  test.each([
    ["application/json", "[]"],
    ["application/json", "{"],
    ["application/json", '{"client_name":1,"client_name":2}'],
    ["text/plain", '{"redirect_uris":["http://127.0.0.1/"]}'],
  ])("by %s %s is refused", async (type, body) => {
    const answer = await desk.post("/oauth/register", body, type);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      400,
      { error: "invalid_client_metadata", error_description: expect.any(String) },
    ]);
  });
});

test("a client that is named by the address of its metadata is none where it is not looked up", async () => {
  const other = await world.node({ documents: null });
  const { text } = await other.ask({ path: "/.well-known/oauth-authorization-server" });
  expect(JSON.parse(text)).toMatchObject({ client_id_metadata_document_supported: false });
  const page = await other.authorize("https://app.example/client.json");
  expect([page.status, page.text.includes("not known here")]).toEqual([400, true]);
});

describe("the page", () => {
  test("says who asks, where the answer goes and what for, and may not be framed, kept or told to others", async () => {
    const page = await desk.authorize(await desk.register());
    expect(page.status).toBe(200);
    expect(page.text).toContain("Editor");
    expect(page.text).toContain("127.0.0.1:50123");
    expect(page.text).toContain("call tools");
    expect(page.text).not.toMatch(/<script|<img|<link|https?:/);
    const policy = headerOf(page, "content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; frame-ancestors /);
    expect(policy).toContain("frame-ancestors 'none'");
    for (const [name, value] of [
      ["x-frame-options", "DENY"],
      ["x-content-type-options", "nosniff"],
      ["cache-control", "no-store"],
      ["referrer-policy", "same-origin"],
    ] as const)
      expect(headerOf(page, name)).toBe(value);
  });

  test("shows only what was asked for", async () => {
    const page = await desk.authorize(await desk.register(), { scope: "mcp:read" });
    expect(page.text).toContain("list tools");
    expect(page.text).not.toContain("call tools");
  });

  test("shows a client's name as text, with what would hide in it or turn it round", async () => {
    const name = `</span><script>alert(1)</script>"'&\u202Eexe`;
    const clientId = await desk.register({ client_name: name, redirect_uris: [callback] });
    const { text } = await desk.authorize(clientId);
    expect(text).toContain(
      "&#60;/span&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;⟨U+202E⟩exe",
    );
    expect(text).not.toContain("<script");
  });

  test.each([
    ["an unknown client", { client_id: "sbc_AAAA" }],
    ["no client", { client_id: undefined }],
    ["a made-up client", { client_id: "editor" }],
    ["a client at an address that is none", { client_id: "https://app.example/#x" }],
    ["no address", { redirect_uri: undefined }],
    ["an address that was not named", { redirect_uri: "https://evil.example/cb" }],
    ["an address that differs in its path", { redirect_uri: `${calledBackAt}/` }],
    ["a state that is too long", { state: "x".repeat(2_049) }],
    ["a state with signs that none may have", { state: "a\nb" }],
  ])("is one of refusal for %s: nobody is sent anywhere", async (_what, over: Fields) => {
    const page = await desk.authorize(await desk.register(), over);
    expect([page.status, headerOf(page, "location")]).toEqual([400, null]);
    expect(page.text).toContain("This does not work");
    expect(page.text).not.toContain("<form");
    expect(page.text).not.toContain("href=");
  });

  test("is one of refusal for a parameter that stands twice", async () => {
    const query = `${queryOf({ client_id: await desk.register(), redirect_uri: callback })}&state=1&state=2`;
    const page = await desk.ask({ path: "/oauth/authorize", query });
    expect([page.status, headerOf(page, "location")]).toEqual([400, null]);
  });

  test.each([
    ["unsupported_response_type", { response_type: "token" }],
    ["unsupported_response_type", { response_type: undefined }],
    ["invalid_request", { code_challenge: undefined }],
    ["invalid_request", { code_challenge_method: "plain" }],
    ["invalid_request", { code_challenge_method: undefined }],
    ["invalid_request", { code_challenge: "short" }],
    ["invalid_request", { request: "eyJ" }],
    ["invalid_request", { request_uri: "https://evil.example/" }],
    ["invalid_target", { resource: "https://evil.example/mcp" }],
    ["invalid_target", { resource: `${base}/mcp/` }],
    ["invalid_target", { resource: base }],
    ["invalid_scope", { scope: "mcp:read admin" }],
    ["invalid_scope", { scope: "admin" }],
    ["invalid_scope", { scope: "openid" }],
    ["invalid_scope", { scope: "mcp:read  mcp:call" }],
  ])("is not shown for %s: the client is told, by %j", async (error, over: Fields) => {
    const answer = await desk.authorize(await desk.register(), over);
    expect(answer.status).toBe(303);
    const back = sentTo(answer);
    expect(`${back.origin}${back.pathname}`).toBe(calledBackAt);
    expect(Object.fromEntries(back.searchParams)).toEqual({
      error,
      error_description: expect.any(String),
      state: "of the client",
      iss: base,
    });
  });

  test("sends nobody elsewhere by itself: what is wrong is shown, with a way back to press", async () => {
    const there = "https://app.example/cb?x=1";
    const clientId = await desk.register({ redirect_uris: [there] });
    const answer = await desk.authorize(clientId, { redirect_uri: there, scope: "admin" });
    expect([answer.status, headerOf(answer, "location")]).toEqual([400, null]);
    expect(answer.text).toContain("app.example");
    expect(answer.text).toContain('href="https://app.example/cb?x=1&#38;error=invalid_scope');
  });

  test("works for a client that names neither resource nor scope nor state", async () => {
    const over = { resource: undefined, scope: undefined, state: undefined };
    const back = sentTo(
      await desk.decide(await desk.authorize(await desk.register(), over), { key: agent.key }),
    );
    expect([...back.searchParams.keys()]).toEqual(["code", "iss"]);
  });
});

test("all of it at its largest still comes back whole", async () => {
  const uri = (i: number): string => `http://127.0.0.1/${i}${"x".repeat(i === 0 ? 900 : 100)}`;
  const redirectUris = Array.from({ length: 16 }, (_, i) => uri(i));
  const clientId = await desk.register({ client_name: "\u0001".repeat(100), redirect_uris: redirectUris });
  const over = { client_id: clientId, redirect_uri: uri(0), state: '"'.repeat(2_048) };
  const page = await desk.authorize(clientId, over);
  expect(page.status).toBe(200);
  const fields = queryOf({ request: sealedIn(page), key: agent.key, decision: "allow" });
  expect(fields.length).toBeLessThan(16 * 1024);
  expect(sentTo(await desk.decide(page, { key: agent.key })).searchParams.get("state")).toBe(over.state);
  expect((await desk.token(await desk.signedIn(agent.key, over))).status).toBe(200);
});

describe("the form", () => {
  test("that denies sends the client away, and leaves nothing", async () => {
    const before = await desk.entries(100);
    const page = await desk.authorize(await desk.register());
    const back = sentTo(await desk.decide(page, { decision: "deny" }));
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: "access_denied",
      state: "of the client",
      iss: base,
    });
    expect(await desk.entries(100)).toEqual(before);
  });

  test("with a key that is none, a token, or a person's asks again, and says why", async () => {
    const page = await desk.authorize(await desk.register());
    const person = await desk.holder("ann", "person");
    const expiring = await desk.holder("brief", "agent", 1_000);
    world.clock.advance(1_000);
    const token = desk.identities.issueToken(desk.self, agent.id);
    if (!token.ok) throw new Error("no token");
    const [wrong, person_] = ["not an API key that is good here", "the key of a person"];
    for (const [key, why] of [
      ["sbk_wrong", wrong],
      [`sbk_${"A".repeat(43)}`, wrong],
      ["", wrong],
      [token.value.token, wrong],
      [expiring.key, wrong],
      [person.key, person_],
    ] as const) {
      const again = await desk.decide(page, { key });
      expect([again.status, headerOf(again, "location")]).toEqual([403, null]);
      expect(again.text).toContain(why);
      if (key !== "") expect(again.text).not.toContain(key);
      // The same request once more: a slip of the fingers costs nothing.
      expect(sealedIn(again)).toBe(sealedIn(page));
    }
    expect(headerOf(await desk.decide(page, { key: ` ${agent.key}\n` }), "location")).not.toBeNull();
  });

  test("is taken from its own page alone", async () => {
    const page = await desk.authorize(await desk.register());
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: "http://127.0.0.1:3000" },
      { origin: "https://evil.example" },
      { origin: "null" },
      { "content-type": "text/plain" },
    ]) {
      const answer = await desk.decide(page, { key: agent.key }, headers);
      expect([headers, answer.status, headerOf(answer, "location")]).toEqual([headers, 403, null]);
    }
    for (const own of [
      { origin: base, "sec-fetch-site": "same-origin" },
      // TLS ends in front of us; or the proxy there says another name than browsers do.
      { origin: "https://127.0.0.1:7070" },
      { origin: base, host: "inside.example:8080" },
    ])
      expect(headerOf(await desk.decide(page, { key: agent.key }, own), "location")).not.toBeNull();
  });

  test("that was edited, made up, or of another kind is none of ours", async () => {
    const clientId = await desk.register();
    const page = await desk.authorize(clientId);
    const { code = "" } = await desk.signedIn(agent.key);
    const sealed = sealedIn(page);
    for (const request of [
      "",
      "AAAA",
      `${sealed.slice(0, -8)}AAAAAAAA`,
      `${sealed}A`,
      `B${sealed.slice(1)}`,
      clientId.slice(4),
      code,
    ]) {
      const answer = await desk.decide(page, { request, key: agent.key });
      expect([answer.status, headerOf(answer, "location")]).toEqual([400, null]);
    }
    expect((await desk.decide(page, { decision: "maybe", key: agent.key })).status).toBe(400);
  });

  test("of a page that was open for ten minutes is too old", async () => {
    const page = await desk.authorize(await desk.register());
    world.clock.advance(10 * 60_000);
    const answer = await desk.decide(page, { key: agent.key });
    expect([answer.status, answer.text.includes("open for too long")]).toEqual([400, true]);
  });

  test("may come to another node than the page was from", async () => {
    const page = await desk.authorize(await desk.register());
    const other = await world.node();
    const back = sentTo(await other.decide(page, { key: agent.key }));
    expect(back.searchParams.get("iss")).toBe(base);
  });
});
test("a store that does not answer lets nobody in, and is said to be what passes", async () => {
  const other = await world.node();
  const page = await other.authorize(await other.register());
  const fields = await other.signedIn(agent.key);
  await other.store.stop();
  const answer = await other.decide(page, { key: agent.key });
  expect([answer.status, headerOf(answer, "location")]).toEqual([503, null]);
  const grant = { grant_type: "client_credentials", client_id: agent.name, client_secret: agent.key };
  for (const asked of [fields, grant])
    expect(await other.token(asked)).toMatchObject({ status: 503, error: "temporarily_unavailable" });
  // Nothing of it was spent.
  expect((await desk.token(fields)).status).toBe(200);
});
