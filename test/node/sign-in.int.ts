import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { Client as FirstClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as FirstTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../src/edge/edge.fixture.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { RememberingClient } from "../fixtures/remembering-client.ts";
import { SigningPerson, pkce } from "../fixtures/signing-person.ts";

/** A client that has nothing but the address of the node, and a person at a browser. */
const bank = new CountingServer();
const callback = "http://127.0.0.1:41999/callback";
let directory: string;
let node: NodeProcess;
let key: string;

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start({
    directory,
    yaml: `servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }`,
  });
  await node.toolsAre(["bank__look"]);
  key = await keyOf("tester");
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

async function keyOf(agent: string): Promise<string> {
  const made = await node.admin<{ secret: string }>("POST", `/agents/${agent}/keys`, {
    label: "sign-in",
    ttlMs: null,
  });
  expect(made.status).toBe(201);
  return made.body.secret;
}

/** What any client that is called back here does, step by step. */
async function registered(redirectUri = callback): Promise<string> {
  const response = await fetch(`${node.url}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: "By hand", redirect_uris: [redirectUri] }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { client_id: string }).client_id;
}

const addressFor = (clientId: string, challenge: string): URL => {
  const address = new URL(`${node.url}/oauth/authorize`);
  address.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: callback,
    code_challenge: challenge,
    code_challenge_method: "S256",
  }).toString();
  return address;
};

async function tokenFor(
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
) {
  const response = await fetch(`${node.url}/oauth/token`, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers,
  });
  const body = (await response.json()) as { access_token?: string; error?: string };
  return { status: response.status, headers: response.headers, ...body };
}

describe.each(["auto", "legacy"] as const)("the official client, %s", (mode) => {
  test("is connected by a person who signs in, lists and calls", async () => {
    const provider = new RememberingClient(callback);
    const person = new SigningPerson();
    const transport = () =>
      new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), { authProvider: provider });
    const client = new Client({ name: "desktop", version: "1" }, { versionNegotiation: { mode } });
    const first = transport();
    await expect(client.connect(first)).rejects.toThrow(UnauthorizedError);
    const { opened } = provider;
    expect(opened?.pathname).toBe("/oauth/authorize");
    expect(opened?.searchParams.get("resource")).toBe(`${node.url}/mcp`);
    const back = await person.allow(opened ?? "", key);
    expect(`${back.origin}${back.pathname}`).toBe(callback);
    expect(back.searchParams.get("state")).toBe("of the client");
    expect(back.searchParams.get("iss")).toBe(node.url);
    await first.finishAuth(back.searchParams);
    expect(provider.tokens()).toMatchObject({ token_type: "Bearer", scope: "mcp:read mcp:call" });
    const again = new Client({ name: "desktop", version: "1" }, { versionNegotiation: { mode } });
    await again.connect(transport());
    const { tools } = await again.listTools();
    expect(tools.map(({ name }) => name)).toContain("bank__look");
    const said = await again.callTool({ name: "bank__look", arguments: { what: "the weather" } });
    expect(JSON.stringify(said.content)).toContain("the weather");
    await again.close();
  });
});

test("the first version of the official client is connected the same way", async () => {
  const provider = new RememberingClient(callback);
  const transport = () => new FirstTransport(new URL(`${node.url}/mcp`), { authProvider: provider });
  const first = transport();
  await expect(new FirstClient({ name: "desktop", version: "1" }).connect(first)).rejects.toThrow();
  const back = await new SigningPerson().allow(provider.opened ?? "", key);
  await first.finishAuth(back.searchParams.get("code") ?? "");
  const client = new FirstClient({ name: "desktop", version: "1" });
  await client.connect(transport());
  const said = await client.callTool({ name: "bank__look", arguments: { what: "the weather" } });
  expect(JSON.stringify(said.content)).toContain("the weather");
  await client.close();
});

test("a program gets its token for its key by itself", async () => {
  const authProvider = new ClientCredentialsProvider({
    clientId: "tester",
    clientSecret: key,
    expectedIssuer: node.url,
  });
  const client = new Client({ name: "batch", version: "1" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), { authProvider }));
  const said = await client.callTool({ name: "bank__look", arguments: { what: "the weather" } });
  expect(JSON.stringify(said.content)).toContain("the weather");
  await client.close();
});

describe("a token that was got by signing in", () => {
  test("opens /mcp within its scopes, and nothing of the administration", async () => {
    const got = await tokenFor({ grant_type: "client_credentials", client_id: "tester", client_secret: key });
    const token = got.access_token ?? "";
    expect(got.headers.get("cache-control")).toBe("no-store");
    expect(await node.call("bank__look", { what: "x" }, { token })).toMatchObject({
      status: 200,
      isError: false,
    });
    for (const path of ["/agents", "/servers", "/approvals"]) {
      const response = await fetch(`${node.url}/api/v1${path}`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(403);
    }
    const reading = await tokenFor({
      grant_type: "client_credentials",
      client_id: "tester",
      client_secret: key,
      scope: "mcp:read",
    });
    expect(await node.tools(reading.access_token)).toContain("bank__look");
    const call = await node.call("bank__look", { what: "x" }, { token: reading.access_token ?? "" });
    expect(call.status).toBe(403);
  });

  test("ends with the tokens of its agent", async () => {
    await node.admin("POST", "/agents", { name: "guest", roles: [] });
    const secret = await keyOf("guest");
    const got = await tokenFor({
      grant_type: "client_credentials",
      client_id: "guest",
      client_secret: secret,
    });
    const token = got.access_token ?? "";
    expect((await node.call("bank__look", { what: "x" }, { token })).status).toBe(200);
    await node.admin("DELETE", "/agents/guest/tokens");
    expect((await node.call("bank__look", { what: "x" }, { token })).status).toBe(401);
  });
});

describe("what strangers send", () => {
  const post = (path: string, body: string, headers: Readonly<Record<string, string>>) =>
    fetch(`${node.url}${path}`, { method: "POST", body, headers });

  test.each(["/oauth/register", "/oauth/token", "/oauth/authorize"])("to %s is bounded", async (path) => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect((await post(path, `a=${"x".repeat(20_000)}`, headers)).status).toBe(413);
  });

  test("from a page of another origin is not taken, by form or by script", async () => {
    for (const origin of ["https://evil.example", "null"])
      for (const path of ["/oauth/register", "/oauth/token", "/oauth/authorize"]) {
        const answer = await post(path, "{}", { origin, "content-type": "application/json" });
        expect([path, origin, answer.status]).toEqual([path, origin, 403]);
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      }
    // One of this machine comes as far as the form, and no further.
    const person = new SigningPerson();
    await person.open(addressFor(await registered(), pkce().challenge));
    expect(await person.press(node.url, "allow", key, { origin: "http://localhost:3000" })).toBeNull();
    expect(person.page?.status).toBe(403);
  });

  test("is not offered a way to sign in under another issuer's usual names", async () => {
    for (const path of ["/.well-known/openid-configuration", "/authorize", "/token", "/oauth/revoke"])
      expect((await fetch(`${node.url}${path}`)).status).toBe(404);
  });

  test("leaves no key, code or token in the log", async () => {
    const { verifier, challenge } = pkce();
    const clientId = await registered();
    const person = new SigningPerson();
    const back = await person.allow(addressFor(clientId, challenge), key);
    const code = back.searchParams.get("code") ?? "";
    const fields = { grant_type: "authorization_code", code, client_id: clientId, code_verifier: verifier };
    const token = (await tokenFor(fields)).access_token ?? "";
    expect(token).not.toBe("");
    expect(await tokenFor(fields)).toMatchObject({ status: 400, error: "invalid_grant" });
    expect((await node.call("bank__look", { what: "x" }, { token })).status).toBe(200);
    for (const secret of [key, code, token, verifier]) expect(node.log).not.toContain(secret);
    expect(node.log).not.toContain("trouble");
  });
});

test("a code that was spent stays spent when its node is killed with -9 and comes back", async () => {
  const own = newDirectory();
  const yaml = "";
  let other = await NodeProcess.start({ directory: own, yaml });
  const made = await other.admin<{ secret: string }>("POST", "/agents/tester/keys", {
    label: "x",
    ttlMs: null,
  });
  const there = node;
  node = other; // the helpers above speak to it
  try {
    const { verifier, challenge } = pkce();
    const clientId = await registered();
    const back = await new SigningPerson().allow(addressFor(clientId, challenge), made.body.secret);
    const fields = {
      grant_type: "authorization_code",
      code: back.searchParams.get("code") ?? "",
      client_id: clientId,
      code_verifier: verifier,
    };
    expect((await tokenFor(fields)).status).toBe(200);
    await other.kill9();
    node = other = await NodeProcess.start({ directory: own, yaml });
    expect(await tokenFor(fields)).toMatchObject({ status: 400, error: "invalid_grant" });
  } finally {
    node = there;
    await other.stop();
    removeDirectory(own);
  }
});

test("a node whose operator does not want it offers nothing of it", async () => {
  const own = newDirectory();
  const off = await NodeProcess.start({ directory: own, listen: { signIn: false } });
  for (const path of ["/.well-known/oauth-authorization-server", "/oauth/authorize"])
    expect((await fetch(`${off.url}${path}`)).status).toBe(404);
  for (const path of ["/oauth/register", "/oauth/token"])
    expect((await fetch(`${off.url}${path}`, { method: "POST", body: "{}" })).status).toBe(404);
  const resource = await fetch(`${off.url}/.well-known/oauth-protected-resource/mcp`);
  expect(await resource.json()).not.toHaveProperty("authorization_servers");
  await off.stop();
  removeDirectory(own);
});

test("a node with an address of its own is the issuer under that, and its tokens are for it", async () => {
  const own = newDirectory();
  const named = await NodeProcess.start({ directory: own, listen: { publicUrl: "https://box.example" } });
  const made = await named.admin<{ secret: string }>("POST", "/agents/tester/keys", {
    label: "x",
    ttlMs: null,
  });
  const askAs = (path: string, form: Readonly<Record<string, string>> | null = null) => {
    const body = form === null ? "" : new URLSearchParams(form).toString();
    const type = form === null ? "application/json" : "application/x-www-form-urlencoded";
    const headers = { Host: "box.example", "Content-Type": type, Authorization: undefined };
    return ask(named.port, { method: form === null ? "GET" : "POST", path, body, headers });
  };
  const metadata = JSON.parse((await askAs("/.well-known/oauth-authorization-server")).body) as object;
  expect(metadata).toMatchObject({
    issuer: "https://box.example",
    token_endpoint: "https://box.example/oauth/token",
  });
  const resource = JSON.parse((await askAs("/.well-known/oauth-protected-resource/mcp")).body) as object;
  expect(resource).toMatchObject({ authorization_servers: ["https://box.example"] });
  const grant = { grant_type: "client_credentials", client_id: "tester", client_secret: made.body.secret };
  const other = await askAs("/oauth/token", { ...grant, resource: `${named.url}/mcp` });
  expect([other.status, JSON.parse(other.body)]).toMatchObject([400, { error: "invalid_target" }]);
  const got = await askAs("/oauth/token", { ...grant, resource: "https://box.example/mcp" });
  const { access_token: token = "" } = JSON.parse(got.body) as { access_token?: string };
  expect(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())).toMatchObject({
    aud: "https://box.example/mcp",
    scope: "mcp:read mcp:call",
  });
  expect(await named.tools(token)).toEqual(expect.any(Array));
  expect((await node.call("bank__look", { what: "x" }, { token })).status).toBe(401);
  await named.stop();
  removeDirectory(own);
});
