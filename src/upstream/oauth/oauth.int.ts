import { generateKeyPairSync } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { OAuthWorld } from "../../../test/fixtures/oauth-world.ts";
import { systemClock } from "../../base/index.ts";
import type { ServerRecord } from "../../registry/index.ts";
import { secretsOfCredential } from "./credential.ts";

const worlds: OAuthWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function world(
  options: Omit<ConstructorParameters<typeof OAuthWorld>[0], "clock"> = {},
): Promise<OAuthWorld> {
  const made = await new OAuthWorld({ clock: systemClock, ...options }).start();
  worlds.push(made);
  return made;
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("it did not fail");
}

const lastToken = (w: OAuthWorld) => [...w.issuer.tokens.entries()].at(-1);

describe("a person authorizes a server", () => {
  it("with PKCE, resource indicator and registration on the fly, and its token opens that server", async () => {
    const w = await world({ server: { scope: "files:read" } });
    const record = w.record();
    const url = new URL(await w.begin(record));
    expect(url.searchParams.get("code_challenge_method")).toBe("S256");
    expect(url.searchParams.get("resource")).toBe(w.server.url);
    expect(url.searchParams.get("scope")).toBe("files:read");
    expect(url.searchParams.get("state")).toBe("the-state");
    await w.authorize(record);
    expect(w.issuer.registrations.at(-1)).toMatchObject({
      application_type: "native",
      redirect_uris: [w.own.redirectUri],
      token_endpoint_auth_method: "none",
    });
    expect(w.issuer.tokenRequests.at(-1)?.get("resource")).toBe(w.server.url);
    const answer = await w.call(record);
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining("did look")]);
    expect(w.server.received.at(-1)?.authorization).toBe(`Bearer ${lastToken(w)?.[0]}`);
  });

  it("registers once at an issuer, and again only when the redirect address is another", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    await w.authorize(record);
    expect(w.issuer.registrations).toHaveLength(1);
    w.own.redirectUri = "http://127.0.0.1:7171/oauth/callback";
    await w.authorize(record);
    expect(w.issuer.registrations).toHaveLength(2);
  });

  it.each(["client_secret_basic", "client_secret_post"])(
    "registers with a secret where nothing else is taken, as %s",
    async (method) => {
      const metadata = { token_endpoint_auth_methods_supported: [method] };
      const w = await world({ issuer: { metadata } });
      const record = w.record();
      await w.authorize(record);
      expect((await w.call(record)).status).toBe(200);
      const isInForm = w.issuer.tokenRequests.at(-1)?.has("client_secret");
      expect(isInForm).toBe(method === "client_secret_post");
      w.issuer.expireTokens();
      expect((await w.call(record)).status).toBe(200);
    },
  );

  it("prefers the client of the record, then its metadata document, then registration, and says no otherwise", async () => {
    const document = "https://signalbox.example.com/oauth/client.json";
    const w = await world({ issuer: { documents: { [document]: {} }, clients: { mine: "s3cret" } } });
    w.own.clientIdUrl = document;
    const secret = { literal: "s3cret" };
    const given = w.record({ issuer: w.issuer.issuer, clientId: "mine", clientSecret: secret });
    await w.authorize(given);
    expect(w.kept(given).grant?.clientId).toBe("mine");
    const self = w.record();
    await w.authorize(self);
    expect(w.kept(self).grant?.clientId).toBe(document);
    expect(w.issuer.registrations).toHaveLength(0);
    w.own.clientIdUrl = null;
    w.issuer.options = { registers: false };
    expect(await messageOf(w.begin(w.record()))).toMatch(
      /registers no clients .*register Signalbox there by hand/,
    );
  });

  it("finds the metadata at the well-known place when the challenge does not say where", async () => {
    const w = await world({ server: { pointsToMetadata: false } });
    const record = w.record();
    await w.authorize(record);
    expect((await w.call(record)).status).toBe(200);
  });

  it("waits, with the command to run, until somebody has", async () => {
    const w = await world();
    expect(await messageOf(w.call(w.record()))).toContain("signalbox servers authorize files");
    expect(w.server.received).toEqual([]);
    expect(await w.authorizations.state(w.record())).toMatchObject({ state: "needed", canRenew: false });
  });
});

describe("what comes back to the callback", () => {
  it.each([
    ["from another issuer", "https://evil.example", "foreign"],
    ["without its issuer, from one that says it names itself", "missing", "foreign"],
    ["with one slash too many", "slash", "foreign"],
  ])("is refused when it comes %s, also when it is an error", async (_, iss, kind) => {
    const w = await world();
    const record = w.record();
    const url = await w.begin(record);
    w.issuer.options = { iss: iss === "slash" ? `${w.issuer.issuer}/` : iss };
    expect(w.judge(record, w.issuer.consent(url)).kind).toBe(kind);
    expect(w.judge(record, w.issuer.consent(url, "no")).kind).toBe(kind);
  });

  it("may lack the issuer where the authorization server does not say that it names itself", async () => {
    const metadata = { authorization_response_iss_parameter_supported: undefined };
    const w = await world({ issuer: { metadata, iss: "missing" } });
    const record = w.record();
    await w.authorize(record);
    expect((await w.call(record)).status).toBe(200);
  });

  it("is void with another state, after another start, for another address, and when it is late", async () => {
    const w = await world();
    const record = w.record();
    const back = w.issuer.consent(await w.begin(record));
    const forged = new URL(back);
    forged.searchParams.set("state", "another");
    expect(w.judge(record, forged).kind).toBe("void");
    const moved: ServerRecord = {
      ...record,
      transport: { ...record.transport, url: "http://127.0.0.1:1/mcp" } as ServerRecord["transport"],
    };
    expect(w.judge(moved, back).kind).toBe("void");
    const { pending, ...rest } = w.kept(record);
    if (pending === null) throw new Error("nothing is pending");
    await w.keep(record, { ...rest, pending: { ...pending, expiresAt: 0 } });
    expect(w.judge(record, back).kind).toBe("void");
    await w.keep(record, { ...rest, pending: null });
    expect(w.judge(record, back).kind).toBe("void");
  });

  it("is void for good after five wrong confirmations", async () => {
    const w = await world();
    const record = w.record();
    await w.begin(record);
    for (let tries = 0; tries < 5; tries++) {
      const kept = w.kept(record);
      if (kept.pending === null) throw new Error(`void after ${tries}`);
      expect(w.authorizations.wrongConfirmation(kept, kept.pending, "abcd-efgh")).toBeNull();
      const next = w.authorizations.wrongConfirmation(kept, kept.pending, "0000-0000");
      if (next === null) throw new Error("it was taken");
      await w.keep(record, next);
    }
    expect(w.kept(record).pending).toBeNull();
  });
});

describe("hostile metadata", () => {
  it("of a server that asks for tokens of another is refused, and nothing is registered", async () => {
    const w = await world({ server: { metadata: { resource: "https://bank.example/mcp" } } });
    expect(await messageOf(w.begin(w.record()))).toContain("which it is not");
    expect(w.issuer.registrations).toEqual([]);
  });

  it("that names another issuer than it was asked as is refused", async () => {
    const w = await world({ issuer: { metadata: { issuer: "https://good.example" } } });
    expect(await messageOf(w.begin(w.record()))).toContain("names another issuer");
  });

  it.each([
    ["the cloud's metadata address", "http://169.254.169.254/latest"],
    ["a private address", "https://10.0.0.1"],
    ["this machine by another name", "http://localhost:1"],
  ])("that leads to %s is not followed", async (_, url) => {
    const w = await world({ server: { metadata: { authorization_servers: [url] } } });
    expect(await messageOf(w.begin(w.record()))).toMatch(/may not reach|is not https/);
    const token = await world({ issuer: { metadata: { token_endpoint: `${url}/token` } } });
    await token.begin(token.record());
    expect(await messageOf(token.authorize(token.record()))).toMatch(/may not reach|not https/);
  });

  it("that redirects is not followed", async () => {
    const w = await world({ issuer: { redirectTo: "http://127.0.0.1:1/" } });
    expect(await messageOf(w.begin(w.record()))).toContain("redirects");
  });

  it.each([
    ["no PKCE", { code_challenge_methods_supported: undefined }, "PKCE"],
    ["PKCE with plain alone", { code_challenge_methods_supported: ["plain"] }, "PKCE"],
    ["an endpoint that is a script", { authorization_endpoint: "javascript:alert(1)" }, ""],
    ["an endpoint without TLS", { authorization_endpoint: "http://as.example/authorize" }, "is not https"],
  ])("with %s is refused", async (_, metadata, said) => {
    const w = await world({ issuer: { metadata } });
    expect(await messageOf(w.begin(w.record()))).toContain(said);
    expect(w.issuer.registrations).toEqual([]);
  });

  it("cannot move a client, its secret or its tokens to another authorization server", async () => {
    const w = await world({ issuer: { clients: { mine: "s3cret" } } });
    const thief = await world({ issuer: { clients: { mine: "s3cret" } } });
    const secret = { literal: "s3cret" };
    const record = w.record({ issuer: w.issuer.issuer, clientId: "mine", clientSecret: secret });
    w.server.options = { metadata: { authorization_servers: [thief.issuer.issuer] } };
    expect(await messageOf(w.begin(record))).toContain("not of");
    const found = w.record();
    w.server.options = {};
    await w.authorize(found);
    w.server.options = { metadata: { authorization_servers: [thief.issuer.issuer] } };
    w.issuer.expireTokens();
    await w.call(found); // renewed where it came from
    expect(thief.issuer.tokenRequests).toEqual([]);
    await w.begin(found);
    expect(thief.issuer.registrations).toHaveLength(1); // a client of its own
    expect(thief.issuer.tokenRequests).toEqual([]);
  });
});

describe("a token's life", () => {
  it("is renewed when the server refuses it, once for all who wait, with the rotated refresh token kept", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    const first = w.kept(record).grant?.refreshToken;
    w.issuer.expireTokens();
    const answers = await Promise.all([w.call(record), w.call(record), w.call(record)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const refreshes = w.issuer.tokenRequests.filter((each) => each.get("grant_type") === "refresh_token");
    expect(refreshes).toHaveLength(1);
    expect(refreshes[0]?.get("resource")).toBe(w.server.url);
    expect(w.kept(record).grant?.refreshToken).not.toBe(first);
    expect(w.server.done).toEqual(["tools/call", "tools/call", "tools/call"]);
  });

  it("is renewed before it ends", async () => {
    const w = await world({ issuer: { tokenSeconds: 0 } });
    const record = w.record();
    await w.authorize(record);
    w.issuer.options = {};
    expect((await w.call(record)).status).toBe(200);
    expect(w.server.received.filter(({ method }) => method === "tools/call")).toHaveLength(1);
  });

  it("of another node is taken over when that node was faster to renew", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    const other = w.anotherNode();
    expect((await w.call(record, "look", other)).status).toBe(200);
    w.issuer.expireTokens();
    expect((await w.call(record)).status).toBe(200);
    expect((await w.call(record, "look", other)).status).toBe(200);
    expect(w.issuer.tokenRequests.filter((each) => each.get("grant_type") === "refresh_token")).toHaveLength(
      1,
    );
  });

  it("ends when the authorization server takes the refresh token back, and a person is asked for", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    w.issuer.expireTokens();
    w.issuer.forgetRefreshTokens();
    expect(await messageOf(w.call(record))).toContain("signalbox servers authorize files");
    expect(w.kept(record).grant).toBeNull();
    expect(await w.authorizations.state(record)).toMatchObject({ state: "needed" });
  });

  it("is not thrown away because the authorization server is down", async () => {
    const w = await world({ issuer: { tokenSeconds: 2_000 } });
    const record = w.record();
    await w.authorize(record);
    const kept = w.kept(record);
    if (kept.grant === null) throw new Error("there is no grant");
    await w.keep(record, { ...kept, grant: { ...kept.grant, dueAt: 0 } });
    w.authorizations.reload(record.id);
    w.issuer.options = { metadata: { token_endpoint: "http://127.0.0.1:1/token" } };
    expect((await w.call(record)).status).toBe(200);
    expect(w.kept(record).grant?.refreshToken).toBe(kept.grant.refreshToken);
  });

  it("is replaced once only when the server refuses every token", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    w.server.options = { refusesAll: true };
    const answers = [await w.call(record), await w.call(record), await w.call(record)];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(w.issuer.tokenRequests.filter((each) => each.get("grant_type") === "refresh_token")).toHaveLength(
      1,
    );
    expect(w.server.done).toEqual([]);
  });

  it("for another audience opens nothing", async () => {
    const w = await world({ issuer: { audience: "https://another.example/mcp" } });
    const record = w.record();
    await w.authorize(record);
    expect((await w.call(record)).status).toBe(401);
    expect(w.server.done).toEqual([]);
  });

  it("is not used when the record leads to another address, or names another issuer or client", async () => {
    const w = await world();
    const record = w.record();
    await w.authorize(record);
    const at = (change: object): ServerRecord => ({
      ...record,
      transport: { ...record.transport, ...change },
    });
    for (const other of [
      at({ url: `${w.server.url}?tenant=2` }),
      at({ auth: { kind: "oauth", issuer: "https://as.example" } }),
      at({ auth: { kind: "oauth", issuer: w.issuer.issuer, clientId: "mine" } }),
    ]) {
      expect(await w.authorizations.state(other)).toMatchObject({ state: "needed" });
    }
  });
});

describe("scopes", () => {
  it("that are missing are asked for together with those granted, at the next authorization", async () => {
    const w = await world({ server: { scope: "files:read", scopeOfTool: { write: "files:write" } } });
    const record = w.record();
    await w.authorize(record);
    expect((await w.call(record, "write")).status).toBe(403);
    expect((await w.call(record, "write")).status).toBe(403);
    expect(await w.authorizations.state(record)).toMatchObject({ wanted: "files:read files:write" });
    expect((await w.call(record, "look")).status).toBe(200);
    await w.authorize(record);
    expect(w.kept(record).grant?.scope).toBe("files:read files:write");
    expect((await w.call(record, "write")).status).toBe(200);
    expect(await w.authorizations.state(record)).toMatchObject({ wanted: null });
  });

  it("that are missing are got at once by client credentials, and asked for once when they are not given", async () => {
    const w = await world({
      issuer: { clients: { robot: "s3cret" }, withheld: ["files:erase"] },
      server: { scope: "files:read", scopeOfTool: { write: "files:write", erase: "files:erase" } },
    });
    const record = w.record({
      grant: "client-credentials",
      issuer: w.issuer.issuer,
      clientId: "robot",
      clientSecret: { literal: "s3cret" },
    });
    expect((await w.call(record, "write")).status).toBe(200);
    expect(lastToken(w)?.[1].scope).toBe("files:read files:write");
    expect((await w.call(record, "erase")).status).toBe(403);
    const asked = w.issuer.tokenRequests.length;
    expect((await w.call(record, "erase")).status).toBe(403);
    expect(w.issuer.tokenRequests).toHaveLength(asked);
  });
});

describe("client credentials", () => {
  it.each(["basic", "post"] as const)(
    "prove themselves with a secret, as %s, and nobody is asked",
    async (method) => {
      const w = await world({ issuer: { clients: { "ro bot:1": "s3:cr&t" } } });
      w.secrets.set("robot", "s3:cr&t");
      const record = w.record({
        grant: "client-credentials",
        issuer: w.issuer.issuer,
        clientId: "ro bot:1",
        clientSecret: { vault: "robot" },
        secretMethod: method,
      });
      expect((await w.call(record)).status).toBe(200);
      expect(w.issuer.tokenRequests[0]?.get("client_secret") ?? null).toBe(
        method === "post" ? "s3:cr&t" : null,
      );
      expect(w.issuer.tokenRequests[0]?.get("resource")).toBe(w.server.url);
      w.issuer.expireTokens();
      expect((await w.call(record)).status).toBe(200);
    },
  );

  it.each(["PEM", "JWK"])("prove themselves with a private key given as %s", async (form) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const w = await world({ issuer: { clients: { robot: { jwk: publicKey.export({ format: "jwk" }) } } } });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    w.secrets.set("key", form === "PEM" ? pem : JSON.stringify(privateKey.export({ format: "jwk" })));
    const record = w.record({
      grant: "client-credentials",
      issuer: w.issuer.issuer,
      clientId: "robot",
      privateKey: { vault: "key" },
      algorithm: "ES256",
    });
    expect((await w.call(record)).status).toBe(200);
    expect(w.issuer.problems).toEqual([]);
    expect(JSON.stringify([...w.issuer.tokenRequests].map(String))).not.toContain("PRIVATE");
  });

  it("with a wrong secret say so, without showing it", async () => {
    const w = await world({ issuer: { clients: { robot: "s3cret" } } });
    const record = w.record({
      grant: "client-credentials",
      issuer: w.issuer.issuer,
      clientId: "robot",
      clientSecret: { literal: "wr0ng-one" },
    });
    const message = await messageOf(w.call(record));
    expect(message).toContain("invalid_client");
    expect(message).not.toContain("wr0ng-one");
  });
});

describe("proof of possession", () => {
  it("binds tokens to a key, with the nonces of both sides, also after a renewal and a restart", async () => {
    const w = await world({ issuer: { dpopNonce: true }, server: { dpop: true, dpopNonce: true } });
    const record = w.record();
    await w.authorize(record);
    expect((await w.call(record)).status).toBe(200);
    const jkt = lastToken(w)?.[1].jkt;
    expect(jkt).toEqual(expect.any(String));
    w.issuer.expireTokens();
    expect((await w.call(record, "look", w.anotherNode())).status).toBe(200);
    expect(lastToken(w)?.[1].jkt).toBe(jkt);
    expect(w.server.done).toEqual(["tools/call", "tools/call"]);
    const proofs = w.server.received.map(({ headers }) => headers["dpop"]);
    expect(new Set(proofs).size).toBe(proofs.length); // none is used twice
  });

  it("is not offered where it is switched off", async () => {
    const w = await world({ server: { metadata: { dpop_bound_access_tokens_required: true } } });
    const record = w.record({ dpop: "never" });
    await w.authorize(record);
    expect(lastToken(w)?.[1].jkt).toBeNull();
  });
});

it("every secret of a credential is named, so that screening can look for it", async () => {
  const w = await world({ server: { dpop: true } });
  const record = w.record();
  await w.authorize(record);
  const text = w.credentials.kept.get(record.id)?.text ?? "";
  const { grant } = w.kept(record);
  expect(secretsOfCredential(text)).toEqual([grant?.accessToken, grant?.refreshToken, grant?.dpopKey?.d]);
});
