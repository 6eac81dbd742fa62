import { afterEach, describe, expect, test } from "vitest";
import { AuthorizationServer } from "../../test/fixtures/servers/authorization-server.ts";
import { ProtectedServer } from "../../test/fixtures/servers/protected-server.ts";
import { defaultTenant } from "../identity/index.ts";
import { CredentialKeeper } from "./credential-keeper.ts";
import type { Office } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

interface Scene {
  readonly office: Office;
  readonly issuer: AuthorizationServer;
  readonly server: ProtectedServer;
}

const scenes: Scene[] = [];
afterEach(async () => {
  for (const { office, issuer, server } of scenes.splice(0)) {
    await office.stop();
    await issuer.stop();
    await server.stop();
  }
});

async function openScene(): Promise<Scene> {
  const issuer = await new AuthorizationServer().start();
  const server = await new ProtectedServer(issuer, { scope: "files:read" }).start();
  const scene = { office: await openOffice(), issuer, server };
  scenes.push(scene);
  const transport = { kind: "http", url: server.url, headers: {}, auth: { kind: "oauth" } };
  const added = await scene.office.send(scene.office.admin, "POST", "/servers", { name: "files", transport });
  expect([added.status, added.body.server?.transport.auth]).toEqual([201, { kind: "oauth" }]);
  return scene;
}

interface Begun {
  readonly url: string;
  readonly confirmation: string;
}

async function begin({ office }: Scene, token = office.admin): Promise<Begun> {
  const begun = await office.send(token, "POST", "/servers/files/authorize");
  expect(begun.status, begun.text).toBe(200);
  return begun.body as Begun;
}

/** What the browser gets at the callback; with a confirmation, what the form gets. */
async function comeBack(
  { office }: Scene,
  back: URL,
  confirmation?: string,
): Promise<{ status: number; text: string; headers: Headers }> {
  const at = `${office.url}/oauth/callback`;
  const fields = new URLSearchParams(back.searchParams);
  if (confirmation !== undefined) fields.set("confirmation", confirmation);
  const response = await (confirmation === undefined
    ? fetch(`${at}?${fields.toString()}`)
    : fetch(at, { method: "POST", body: fields }));
  return { status: response.status, text: await response.text(), headers: response.headers };
}

const authorizationOf = async ({ office }: Scene): Promise<{ state: string; issuer: string | null }> =>
  (await office.send(office.admin, "GET", "/servers/files")).body.authorization;

describe("authorizing a server", () => {
  test("a person opens an address, consents, types the code of the terminal, and the server is authorized", async () => {
    const scene = await openScene();
    const { office, issuer } = scene;
    expect(await authorizationOf(scene)).toMatchObject({ state: "needed" });
    const { url, confirmation } = await begin(scene);
    const back = issuer.consent(url);
    expect(back.pathname).toBe("/oauth/callback");
    const asked = await comeBack(scene, back);
    expect(asked.status).toBe(200);
    expect(asked.text).toContain(`admin has asked to connect the server &#34;files&#34;`);
    expect(asked.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(asked.headers.get("cache-control")).toBe("no-store");
    expect(issuer.tokenRequests).toEqual([]);
    const wrong = await comeBack(scene, back, "0000-0000");
    expect([wrong.status, wrong.text.includes("That is not the code")]).toEqual([400, true]);
    expect(issuer.tokenRequests).toEqual([]);
    const done = await comeBack(scene, back, confirmation.toUpperCase().replace("-", " "));
    expect([done.status, done.text.includes("is authorized")]).toEqual([200, true]);
    expect(await authorizationOf(scene)).toMatchObject({
      state: "authorized",
      issuer: issuer.issuer,
      scope: "files:read",
      canRenew: true,
      wanted: null,
    });
    expect((await newestEntries(office, 6)).filter((entry) => entry.includes("authorize"))).toEqual(
      Array.from({ length: 3 }, () => "act admin.server.authorize succeeded"),
    );
  });

  test("what has come back once is used up", async () => {
    const scene = await openScene();
    const { url, confirmation } = await begin(scene);
    const back = scene.issuer.consent(url);
    await comeBack(scene, back, confirmation);
    const requests = scene.issuer.tokenRequests.length;
    for (const again of [undefined, confirmation]) {
      const answer = await comeBack(scene, back, again);
      expect([answer.status, answer.text.includes("Nothing waits for this")]).toEqual([400, true]);
    }
    expect(scene.issuer.tokenRequests).toHaveLength(requests);
  });

  test("two browsers that finish at the same moment leave one authorization", async () => {
    const scene = await openScene();
    const { url, confirmation } = await begin(scene);
    const back = scene.issuer.consent(url);
    const both = await Promise.all([
      comeBack(scene, back, confirmation),
      comeBack(scene, back, confirmation),
    ]);
    expect(both.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await authorizationOf(scene)).toMatchObject({ state: "authorized" });
  });

  test("what the node writes at the same moment does not undo it, and a new start does", async () => {
    const scene = await openScene();
    const { office, issuer } = scene;
    await begin(scene);
    const name = (await office.send(office.admin, "GET", "/vault")).body.items[0].name as string;
    const write = async (change: object): Promise<void> => {
      const kept = await office.vault.own(defaultTenant, name);
      const text = JSON.stringify({ ...(JSON.parse(kept?.text ?? "{}") as object), ...change });
      await office.commit(office.vault.putOwn(defaultTenant, name, text, kept?.version ?? null));
    };
    for (const [change, status] of [
      [{ wanted: "more" }, 200],
      [{ pending: null }, 400],
    ] as const) {
      const { url, confirmation } = await begin(scene);
      issuer.options = { meanwhile: () => write(change) };
      expect((await comeBack(scene, issuer.consent(url), confirmation)).status).toBe(status);
      issuer.options = {};
    }
    expect(await authorizationOf(scene)).toMatchObject({ state: "authorized", wanted: null });
  });

  test("an answer of another issuer, and one that says no, end it without a token", async () => {
    const scene = await openScene();
    for (const [iss, as, said] of [
      ["https://evil.example", "yes", "does not come from"],
      ["https://evil.example", "no", "does not come from"],
      ["missing", "yes", "does not come from"],
      ["right", "no", "access_denied"],
    ] as const) {
      const { url, confirmation } = await begin(scene);
      scene.issuer.options = { iss };
      const back = scene.issuer.consent(url, as);
      const answer = await comeBack(scene, back);
      expect([answer.status, answer.text.includes(said)]).toEqual([400, true]);
      expect((await comeBack(scene, back, confirmation)).text).toContain("Nothing waits for this");
      scene.issuer.options = {};
    }
    expect(scene.issuer.tokenRequests).toEqual([]);
  });

  test("states that nobody sealed, or that were changed, are nothing", async () => {
    const scene = await openScene();
    const { url } = await begin(scene);
    const back = scene.issuer.consent(url);
    const state = back.searchParams.get("state") ?? "";
    for (const forged of ["", "x", "a".repeat(4_000), `${state}A`, state.slice(2), `B${state.slice(1)}`]) {
      back.searchParams.set("state", forged);
      const answer = await comeBack(scene, back);
      expect([answer.status, answer.text.includes("Nothing waits for this")]).toEqual([400, true]);
    }
  });

  test("it is the act of the person who began it: disabled, or no longer allowed, nothing comes of it", async () => {
    const scene = await openScene();
    const { office, issuer } = scene;
    const helper = await office.keyFor(defaultTenant, "person", "helper", ["admin"]);
    const first = await begin(scene, helper);
    await office.send(office.admin, "PUT", "/people/helper/roles", { roles: [] });
    const refused = await comeBack(scene, issuer.consent(first.url), first.confirmation);
    expect([refused.status, refused.text.includes("may not authorize")]).toEqual([403, true]);
    expect((await newestEntries(office, 1))[0]).toBe("act admin.server.authorize refused forbidden");
    await office.send(office.admin, "PUT", "/people/helper/roles", { roles: ["admin"] });
    const second = await begin(scene, helper);
    await office.send(office.admin, "POST", "/people/helper/disable");
    const gone = await comeBack(scene, issuer.consent(second.url), second.confirmation);
    expect([gone.status, gone.text.includes("Nothing waits for this")]).toEqual([400, true]);
    expect(issuer.tokenRequests).toEqual([]);
  });

  test("names of servers and answers of strangers are text on the page, never markup", async () => {
    const scene = await openScene();
    const { url } = await begin(scene);
    const back = scene.issuer.consent(url);
    back.searchParams.set("code", `"><script>alert(1)</script>`);
    const answer = await comeBack(scene, back);
    expect(answer.text).not.toContain("<script>");
    back.searchParams.set("error", "<b>no</b>");
    expect((await comeBack(scene, back)).text).not.toContain("<b>");
  });

  test("other methods and bodies are refused", async () => {
    const { office } = await openScene();
    const at = `${office.url}/oauth/callback`;
    expect((await fetch(at, { method: "DELETE" })).status).toBe(405);
    expect((await fetch(at, { method: "POST", body: "{}" })).status).toBe(415);
    const large = new URLSearchParams({ state: "x".repeat(20_000) });
    expect((await fetch(at, { method: "POST", body: large })).status).toBe(413);
  });
});

describe("what is kept", () => {
  async function authorized(): Promise<Scene & { readonly tokens: readonly string[] }> {
    const scene = await openScene();
    const { url, confirmation } = await begin(scene);
    await comeBack(scene, scene.issuer.consent(url), confirmation);
    return { ...scene, tokens: [...scene.issuer.tokens.keys()] };
  }

  test("stands in the vault under a name that nobody else can put, remove or refer to", async () => {
    const { office } = await authorized();
    const listed = await office.send(office.admin, "GET", "/vault");
    const name = listed.body.items[0].name as string;
    expect(name).toMatch(/^_signalbox\.oauth\.srv_/);
    expect((await office.send(office.admin, "PUT", `/vault/${name}`, { value: "mine" })).status).toBe(400);
    expect((await office.send(office.admin, "DELETE", `/vault/${name}`)).status).toBe(400);
    const thief = { kind: "http", url: "https://thief.example/mcp", headers: { "x-token": { vault: name } } };
    const added = await office.send(office.admin, "POST", "/servers", { name: "thief", transport: thief });
    expect(added.status).toBe(400);
  });

  test("is known to screening, and in no answer and no entry", async () => {
    const { office, tokens } = await authorized();
    expect(tokens).toHaveLength(1);
    const texts = [
      (await office.send(office.admin, "GET", "/servers/files")).text,
      (await office.send(office.admin, "GET", "/vault")).text,
      JSON.stringify(await office.ledger.list(defaultTenant, { limit: 100 })),
    ];
    for (const text of texts) expect(text).not.toContain(tokens[0]);
    // Whoever uses a token reads it first, and what was read is known.
    expect(office.vault.knownSecrets(defaultTenant)).toEqual(expect.arrayContaining([...tokens]));
  });

  test("goes when it is told to, and with its server", async () => {
    const { office } = await authorized();
    const forgotten = await office.send(office.admin, "POST", "/servers/files/deauthorize");
    expect(forgotten.status).toBe(200);
    expect(await authorizationOf({ office } as Scene)).toMatchObject({ state: "needed" });
    expect((await office.send(office.admin, "POST", "/servers/files/deauthorize")).status).toBe(404);
    const again = await authorized();
    await again.office.send(again.office.admin, "DELETE", "/servers/files");
    expect((await again.office.send(again.office.admin, "GET", "/vault")).body.items).toEqual([]);
  });
});

test("tokens of servers that the configuration no longer names go at the next start, others stay", async () => {
  const scene = await openScene();
  const { office } = scene;
  await begin(scene);
  const { vault, identities, acts } = office;
  const keeper = new CredentialKeeper({ vault, identities, acts });
  const names = async () => (await office.send(office.admin, "GET", "/vault")).body.items.length as number;
  await keeper.sweep(defaultTenant, () => true);
  expect(await names()).toBe(1);
  await keeper.sweep(defaultTenant, () => false);
  expect(await names()).toBe(0);
  expect((await newestEntries(office, 1))[0]).toBe("act admin.server.keep-credential succeeded");
});

test("a server without auth, and one that cannot be reached, say why nothing is begun", async () => {
  const { office, server } = await openScene();
  const plain = { kind: "http", url: "http://127.0.0.1:1/mcp", headers: {} };
  await office.send(office.admin, "POST", "/servers", { name: "plain", transport: plain });
  const refused = await office.send(office.admin, "POST", "/servers/plain/authorize");
  expect([refused.status, refused.body.error.code]).toEqual([409, "conflict"]);
  expect((await office.send(office.admin, "GET", "/servers/plain")).body.authorization).toBeNull();
  await server.stop();
  const gone = await office.send(office.admin, "POST", "/servers/files/authorize");
  expect([gone.status, gone.body.error.code, gone.body.error.effect]).toEqual([
    502,
    "upstream-rejected",
    "none",
  ]);
});

test("settings that do not fit are refused with the place", async () => {
  const { office } = await openScene();
  const auth = { kind: "oauth", clientId: "x", clientSecret: { literal: "y" } };
  const transport = { kind: "http", url: "https://a.example/mcp", headers: {}, auth };
  const refused = await office.send(office.admin, "POST", "/servers", { name: "x", transport });
  expect(refused.status).toBe(400);
  expect(refused.body.error.detail).toContain("transport.auth.clientId: needs the issuer");
  const good = { ...transport, auth: { ...auth, issuer: "https://as.example" } };
  const added = await office.send(office.admin, "POST", "/servers", { name: "x", transport: good });
  expect(added.body.server.transport.auth.clientSecret).toEqual({ hidden: 1 });
});

test("a token that is limited to other things may not administer, and hears what it needs", async () => {
  const { office } = await openScene();
  const issued = await office.send(office.admin, "POST", "/people/admin/tokens", {
    scopes: ["mcp:read", "mcp:call"],
  });
  const refused = await office.send(issued.body.token, "GET", "/status");
  expect([refused.status, refused.body.error.code]).toEqual([403, "forbidden"]);
  expect(refused.headers.get("www-authenticate")).toBe('Bearer error="insufficient_scope", scope="admin"');
  expect((await newestEntries(office, 1))[0]).toBe("act admin.status.show refused forbidden");
  const whole = await office.send(office.admin, "POST", "/people/admin/tokens", { scopes: ["admin"] });
  expect((await office.send(whole.body.token, "GET", "/status")).status).toBe(200);
});
