import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isInScope } from "../identity/index.ts";
import type { Desk, Fields, Holder } from "./sign-in.fixture.ts";
import { SignInWorld, base, callback, sealedIn } from "./sign-in.fixture.ts";

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

describe("a code", () => {
  test("becomes a token of the agent, within its scopes, and all of it is on record", async () => {
    const got = await desk.token(await desk.signedIn(agent.key, { scope: "mcp:read" }));
    expect(got).toMatchObject({
      status: 200,
      token_type: "Bearer",
      scope: "mcp:read",
      expires_in: 8 * 3_600,
    });
    expect(got.said).toContain("no-store");
    const who = await desk.identities.authenticate(got.access_token ?? "");
    expect(who).toMatchObject({ ok: true, value: { id: agent.id, scopes: ["mcp:read"] } });
    expect(who.ok && isInScope(who.value, "admin")).toBe(false);
    expect(await desk.entries(2)).toEqual([
      `signin.issue-token succeeded ${agent.id}`,
      `signin.allow succeeded ${agent.id}`,
    ]);
    world.clock.advance(8 * 3_600_000 + 6_000);
    expect(await desk.identities.authenticate(got.access_token ?? "")).toMatchObject({ ok: false });
  });

  test("is good once, and its second use is on record once", async () => {
    const fields = await desk.signedIn(agent.key);
    expect((await desk.token(fields)).status).toBe(200);
    for (let i = 0; i < 3; i++)
      expect(await desk.token(fields)).toMatchObject({ status: 400, error: "invalid_grant" });
    const entries = await desk.entries();
    expect(entries.filter((entry) => entry.startsWith("signin.issue-token"))).toEqual([
      `signin.issue-token refused ${agent.id}`,
      `signin.issue-token succeeded ${agent.id}`,
    ]);
  });

  test("that many bring at once, to two nodes, is good for one of them", async () => {
    const other = await world.node();
    const fields = await desk.signedIn(agent.key);
    const got = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? desk : other).token(fields)),
    );
    expect(got.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(got.filter(({ error }) => error === "invalid_grant")).toHaveLength(19);
  });

  test("is no longer good after a minute, nor after it was forgotten that it was spent", async () => {
    const [late, spent] = [await desk.signedIn(agent.key), await desk.signedIn(agent.key)];
    expect((await desk.token(spent)).status).toBe(200);
    world.clock.advance(59_999);
    expect((await desk.token(late)).status).toBe(200);
    const tooLate = await desk.signedIn(agent.key);
    world.clock.advance(60_000);
    expect(await desk.token(tooLate)).toMatchObject({ status: 400, error: "invalid_grant" });
    world.clock.advance(11 * 60_000);
    // The next one that is spent takes the row of the last away.
    expect((await desk.token(await desk.signedIn(agent.key))).status).toBe(200);
    expect(await desk.token(spent)).toMatchObject({ status: 400, error: "invalid_grant" });
  });

  test("leaves one row, ten minutes longer than it is good: whoever found it good before is not let through by forgetting", async () => {
    const rows = () => desk.store.takeDueWakeUps("signin/spent", 100);
    for (let i = 0; i < 3; i++) expect((await desk.token(await desk.signedIn(agent.key))).status).toBe(200);
    world.clock.advance(11 * 60_000 - 1);
    expect(await rows()).toEqual([]);
    world.clock.advance(1);
    expect(await rows()).toHaveLength(3);
  });

  const wrong: readonly (readonly [string, string, Fields])[] = [
    ["invalid_grant", "another verifier", { code_verifier: "x".repeat(43) }],
    ["invalid_grant", "a verifier that is too short", { code_verifier: "x" }],
    ["invalid_request", "no verifier", { code_verifier: undefined }],
    ["invalid_grant", "another address", { redirect_uri: callback }],
    ["invalid_grant", "another client", { client_id: "sbc_AAAA" }],
    ["invalid_request", "no client", { client_id: undefined }],
    ["invalid_target", "another resource", { resource: "https://evil.example/mcp" }],
    ["invalid_grant", "a code that is made up", { code: "AAAA" }],
    ["invalid_client", "a secret, which no client has", { client_secret: "x" }],
    ["unsupported_grant_type", "another grant", { grant_type: "password" }],
    ["unsupported_grant_type", "a refresh", { grant_type: "refresh_token" }],
    ["invalid_request", "no grant", { grant_type: undefined }],
  ];
  test.each(wrong)(
    "is refused as %s with %s, and stays good for who it was given to",
    async (error, _what, over) => {
      const fields = await desk.signedIn(agent.key);
      const refused = await desk.token({ ...fields, ...over });
      expect(refused).toMatchObject({ error });
      expect(refused.status).toBe(error === "invalid_client" ? 401 : 400);
      expect((await desk.token(fields)).status).toBe(200);
    },
  );

  test("that was edited, or is of another kind, is none", async () => {
    const fields = await desk.signedIn(agent.key);
    const code = fields["code"] ?? "";
    const flipped = `${code.slice(0, 40)}${code[40] === "A" ? "B" : "A"}${code.slice(41)}`;
    const page = await desk.authorize(await desk.register());
    for (const other of [flipped, `${code}A`, code.slice(1), sealedIn(page), "x".repeat(13_000)])
      expect(await desk.token({ ...fields, code: other })).toMatchObject({ error: "invalid_grant" });
    expect((await desk.token(fields)).status).toBe(200);
  });

  test("may come without address and resource, as OAuth 2.1 and older clients have it", async () => {
    const fields = await desk.signedIn(agent.key);
    const bare = { ...fields, redirect_uri: undefined, resource: undefined };
    expect((await desk.token(bare)).status).toBe(200);
  });

  test.each([
    ["its agent was disabled", async () => desk.commit(desk.identities.disable(desk.self, agent.id))],
    [
      "its agent's tokens were ended",
      async () => desk.commit(desk.identities.revokeTokens(desk.self, agent.id)),
    ],
    [
      "the key was revoked",
      async () => desk.commit(desk.identities.revokeApiKey(desk.self, agent.id, agent.keyId)),
    ],
  ])("is not good when %s meanwhile, also on a node that has not heard of it yet", async (_what, change) => {
    const other = await world.node();
    const fields = await desk.signedIn(agent.key);
    await change();
    expect(await other.token(fields)).toMatchObject({ status: 400, error: "invalid_grant" });
  });

  test("makes a token that does not outlive the key", async () => {
    const brief = await desk.holder("brief", "agent", 90_000);
    const got = await desk.token(await desk.signedIn(brief.key));
    expect(got.status).toBe(200);
    expect(got.expires_in).toBeLessThanOrEqual(90);
  });

  test("goes to a site and to a program as to this machine", async () => {
    for (const uri of ["https://app.example/cb", "cursor://anysphere/cb"]) {
      const over = { client_id: await desk.register({ redirect_uris: [uri] }), redirect_uri: uri };
      expect((await desk.token(await desk.signedIn(agent.key, over))).status).toBe(200);
    }
  });
});

describe("an API key", () => {
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString("base64")}`,
  });
  const grant = { grant_type: "client_credentials" };

  test("is exchanged for a token by the agent's name or id, by header or form", async () => {
    for (const id of [agent.name, agent.id, agent.id.slice("agent/".length)]) {
      const resource = `${base}/mcp`;
      for (const got of [
        await desk.token({ ...grant, resource }, basic(id, agent.key)),
        await desk.token({ ...grant, client_id: id, client_secret: agent.key }),
        await desk.token({ ...grant, client_id: id }, basic(id, agent.key)),
      ])
        expect(got).toMatchObject({ status: 200, scope: "mcp:read mcp:call", expires_in: 3_600 });
    }
    expect(await desk.entries(1)).toEqual([`signin.issue-token succeeded ${agent.id}`]);
    const service = await desk.holder("batch", "service");
    const got = await desk.token({ ...grant, scope: "mcp:call" }, basic(service.name, service.key));
    expect(got).toMatchObject({ status: 200, scope: "mcp:call" });
    expect(await desk.identities.authenticate(got.access_token ?? "")).toMatchObject({
      value: { id: service.id, scopes: ["mcp:call"] },
    });
  });

  test("that another node made a moment ago is known", async () => {
    const other = await world.node();
    const fresh = await desk.holder("fresh");
    expect((await other.token(grant, basic(fresh.name, fresh.key))).status).toBe(200);
  });

  test("that another node revoked a moment ago is not good any more, and makes nothing that would outlive it", async () => {
    const other = await world.node();
    await desk.commit(desk.identities.revokeApiKey(desk.self, agent.id, agent.keyId));
    expect(await other.token(grant, basic(agent.name, agent.key))).toMatchObject({ error: "invalid_client" });
    const page = await other.authorize(await other.register());
    expect((await other.decide(page, { key: agent.key })).status).toBe(403);
  });

  test("is refused where something does not fit, and challenged where it came by header", async () => {
    const other = await desk.holder("other");
    const person = await desk.holder("ann", "person");
    for (const [id, key] of [
      [other.name, agent.key],
      ["", agent.key],
      [agent.name, `sbk_${"A".repeat(43)}`],
      [agent.name, "%"],
      [person.name, person.key],
    ] as const) {
      const refused = await desk.token(grant, basic(id, key));
      expect(refused).toMatchObject({ status: 401, error: "invalid_client" });
      expect(refused.said).toContain('Basic realm="signalbox"');
    }
    for (const authorization of ["Bearer x", "Basic", "Basic !!!", "Basic Og==", "Basic JTpj"])
      expect(await desk.token(grant, { authorization })).toMatchObject({
        status: 401,
        error: "invalid_client",
      });
    const twice = { ...grant, client_id: agent.name, client_secret: agent.key };
    expect(await desk.token(twice, basic(agent.name, agent.key))).toMatchObject({ error: "invalid_request" });
    expect(await desk.token({ ...grant, client_id: agent.name })).toMatchObject({ error: "invalid_client" });
    const own = basic(agent.name, agent.key);
    expect(await desk.token({ ...grant, scope: "admin" }, own)).toMatchObject({ error: "invalid_scope" });
    expect(await desk.token({ ...grant, resource: `${base}/x` }, own)).toMatchObject({
      error: "invalid_target",
    });
  });
});

describe("the token endpoint", () => {
  test("takes forms alone, and each name once", async () => {
    const asJson = await desk.post("/oauth/token", "{}", "application/json");
    expect([asJson.status, JSON.parse(asJson.text)]).toMatchObject([400, { error: "invalid_request" }]);
    const twice = await desk.post(
      "/oauth/token",
      "grant_type=authorization_code&grant_type=client_credentials",
      "application/x-www-form-urlencoded",
    );
    expect([twice.status, JSON.parse(twice.text)]).toMatchObject([400, { error: "invalid_request" }]);
    const many = Array.from({ length: 65 }, (_, i) => `a${i}=`).join("&");
    const full = await desk.post("/oauth/token", many, "application/x-www-form-urlencoded");
    expect(JSON.parse(full.text)).toMatchObject({ error: "invalid_request" });
  });
});
