import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wallMs } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

const get = (path: string) => office.send(office.admin, "GET", path);
const post = (path: string, body?: unknown) => office.send(office.admin, "POST", path, body);
const errorOf = ({ status, body }: Reply) => [status, body.error?.code];

const http = (url: string) => ({ kind: "http", url, headers: {} });
const inputSchema = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };

async function offer(server: ServerRecord, ...tools: readonly object[]): Promise<void> {
  const offered = await office.registry.offer(server.id, tools);
  if (!offered.ok) throw new Error(offered.refusal.detail);
  for (const change of offered.value.changes) await office.commit({ ok: true, value: change });
}

describe("servers", () => {
  test("one that is added is shown, changed, disabled, enabled and removed, each with an entry", async () => {
    const added = await post("/servers", { name: "files", transport: http("https://files.example/mcp") });
    expect(added.status).toBe(201);
    expect(added.body.server).toMatchObject({ name: "files", origin: "api", version: 1, enabled: true });
    expect(added.body.receipt.entry).toMatch(/^act_/);
    const { id } = added.body.server;
    const changed = await office.send(office.admin, "PATCH", "/servers/files", {
      callTimeoutMs: 5_000,
      version: 1,
    });
    expect(changed.body.server).toMatchObject({ id, callTimeoutMs: 5_000, version: 2 });
    expect((await post("/servers/files/disable")).body.server.enabled).toBe(false);
    expect(errorOf(await post("/servers/files/probe"))).toEqual([409, "conflict"]);
    expect((await post(`/servers/${id}/enable`)).body.server.enabled).toBe(true);
    expect(
      (await get("/servers/files/versions?limit=2")).body.items.map(
        (each: { version: number }) => each.version,
      ),
    ).toEqual([4, 3]);
    expect((await office.send(office.admin, "DELETE", "/servers/files")).status).toBe(200);
    expect(errorOf(await get("/servers/files"))).toEqual([404, "not-found"]);
    expect(await newestEntries(office, 6)).toEqual([
      "act admin.server.remove succeeded",
      "act admin.server.enable succeeded",
      "act admin.server.probe refused conflict",
      "act admin.server.disable succeeded",
      "act admin.server.change succeeded",
      "act admin.server.add succeeded",
    ]);
  });

  test("the node's own endpoint is no server of it, added or changed", async () => {
    const own = `http://localhost:${new URL(office.url).port}/mcp`;
    const added = await post("/servers", { name: "mirror", transport: http(own) });
    expect(errorOf(added)).toEqual([400, "invalid-params"]);
    expect(added.body.error.detail).toContain("cannot be its own server");
    await post("/servers", { name: "turning", transport: http("https://files.example/mcp") });
    const changed = await office.send(office.admin, "PATCH", "/servers/turning", { transport: http(own) });
    expect(errorOf(changed)).toEqual([400, "invalid-params"]);
    expect((await office.send(office.admin, "DELETE", "/servers/turning")).status).toBe(200);
  });

  test("a version that is no longer current changes nothing", async () => {
    await post("/servers", { name: "moving", transport: http("https://moving.example/mcp") });
    const stale = await office.send(office.admin, "PATCH", "/servers/moving", { enabled: false, version: 7 });
    expect(errorOf(stale)).toEqual([409, "conflict"]);
    expect((await get("/servers/moving")).body.server).toMatchObject({ enabled: true, version: 1 });
  });

  test("literals that may be secrets are not shown again, others are", async () => {
    const env = {
      API_TOKEN: { literal: "canary-1" },
      LOG: { literal: "debug" },
      KEY: { vault: "key" },
      DSN: { literal: "postgres://me:canary-2@db/x" },
    };
    const args = ["--api-key", "canary-3", "--password=canary-4", "--verbose", "/srv"];
    const transport = { kind: "stdio", command: "tool", args, env, cwd: null };
    const added = await post("/servers", { name: "secretive", transport });
    const shown = await get("/servers/secretive");
    const versions = await get("/servers/secretive/versions");
    for (const { text } of [added, shown, versions]) expect(text).not.toContain("canary");
    expect(shown.body.server.transport).toMatchObject({
      args: ["--api-key", "[secret]", "--password=[secret]", "--verbose", "/srv"],
      env: { API_TOKEN: { hidden: 8 }, LOG: { literal: "debug" }, KEY: { vault: "key" } },
    });
    // What is hidden cannot be written back by mistake.
    const back = await office.send(office.admin, "PATCH", "/servers/secretive", {
      transport: shown.body.server.transport,
    });
    expect(errorOf(back)).toEqual([400, "invalid-params"]);
  });

  test.each([
    ["a field that is not known", { name: "x", transport: http("https://x.example"), nmae: "y" }, '"nmae"'],
    [
      "a field of the wrong type",
      { name: "x", transport: http("https://x.example"), enabled: "yes" },
      '"enabled"',
    ],
    ["a missing field", { name: "x" }, '"transport"'],
    [
      "a transport of no kind",
      { name: "x", transport: { kind: "carrier-pigeon" } },
      '"transport" must be of kind',
    ],
    [
      "a number beyond its bound",
      { name: "x", transport: http("https://x.example"), callTimeoutMs: 1 },
      '"callTimeoutMs"',
    ],
    [
      "an address with a password",
      { name: "x", transport: http("https://me:hunter2@x.example") },
      "transport.url",
    ],
    ["a reserved name", { name: "signalbox", transport: http("https://x.example") }, "reserved"],
  ])("%s is refused and named", async (_, body, named) => {
    const reply = await post("/servers", body);
    expect(errorOf(reply)).toEqual([400, "invalid-params"]);
    expect(reply.body.error.detail).toContain(named);
    expect(reply.text).not.toContain("hunter2");
  });

  test("probing finds out now that nothing listens", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await post("/servers", { name: "absent", transport: http(`http://127.0.0.1:${port}/mcp`) });
    office.upstreams.reconcile(
      office.registry.serversOf(defaultTenant).filter(({ name }) => name === "absent"),
    );
    const reply = await post("/servers/absent/probe");
    expect(reply.body.health).toMatchObject({ state: "down", cause: "dependency" });
    expect((await get("/servers/absent")).body.connection).toMatchObject({ inFlight: 0 });
  });

  test("lists are paged, and a cursor of one list does not open another", async () => {
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Reply = await get(`/servers?limit=1${cursor === null ? "" : `&cursor=${cursor}`}`);
      names.push(...page.body.items.map((each: { name: string }) => each.name));
      cursor = page.body.next;
    } while (cursor !== null);
    expect(names).toEqual(office.registry.serversOf(defaultTenant).map(({ name }) => name));
    const first = await get("/servers?limit=1");
    expect(errorOf(await get(`/tools?cursor=${first.body.next}`))).toEqual([400, "invalid-params"]);
  });

  test.each(["limit=501", "limit=0", "limit=x", "limit=1&limit=2", "colour=red", "cursor=%00"])(
    "the query %s is refused",
    async (query) => {
      expect(errorOf(await get(`/servers?${query}`))).toEqual([400, "invalid-params"]);
    },
  );
});

describe("tools", () => {
  let server: ServerRecord;
  beforeAll(async () => {
    server = await office.commit(
      office.registry.addServer(defaultTenant, {
        name: "desk",
        transport: { kind: "http", url: "https://desk.example/mcp", headers: {} },
      }),
    );
    await offer(
      server,
      { name: "read_file", description: "Reads", inputSchema },
      { name: "gone/soon", inputSchema },
    );
    office.registry.reportHealth(server.id, {
      state: "healthy",
      since: office.registry.serverHealth(server.id).since,
    });
  });

  test("are listed with state and health, by server and by state", async () => {
    const all = await get("/tools?server=desk");
    expect(all.body.items).toMatchObject([
      { id: `${server.id}/gone/soon`, state: "live", callable: true },
      { name: "desk__read_file", class: { kind: "effect" }, health: { state: "healthy" }, why: null },
    ]);
    expect((await get("/tools?state=gone")).body.items).toEqual([]);
    expect(errorOf(await get("/tools?server=nowhere"))).toEqual([404, "not-found"]);
  });

  test("are found by exposed name, by id, and by server name and upstream name", async () => {
    for (const reference of [
      "desk__read_file",
      `${server.id}/read_file`,
      "desk/read_file",
      "desk/gone/soon",
    ]) {
      expect((await get(`/tools/${encodeURIComponent(reference)}`)).status, reference).toBe(200);
    }
    expect(errorOf(await get("/tools/desk__write_file"))).toEqual([404, "not-found"]);
  });

  test("get a class, and one that does not fit is refused", async () => {
    const set = await office.send(office.admin, "PUT", "/tools/desk__read_file/class", { kind: "read" });
    expect(set.body.class).toEqual({ kind: "read" });
    expect((await get("/tools/desk__read_file")).body.tool.class).toEqual({ kind: "read" });
    const misfit = await office.send(office.admin, "PUT", "/tools/desk__read_file/class", {
      kind: "idempotent",
      keyArgument: "nowhere",
    });
    expect(errorOf(misfit)).toEqual([400, "invalid-params"]);
  });

  test("get a probe with the class, and how it went is shown; only what reads has one", async () => {
    const path = "/tools/desk__read_file";
    const set = (body: unknown) => office.send(office.admin, "PUT", `${path}/class`, body);
    const probe = { arguments: { path: "/" }, everyMs: 60_000 };
    const answer = await set({ kind: "read", probe });
    expect(answer.body.class).toEqual({ kind: "read", probe });
    expect((await get(path)).body.tool).toMatchObject({ class: { kind: "read", probe }, probed: null });
    const { id } = (await get(path)).body.tool as { id: string };
    office.probed.set(id, { at: wallMs(1_000), found: "ill", reason: "it did not answer" });
    const { probed } = (await get(path)).body.tool;
    expect(probed).toMatchObject({
      at: "1970-01-01T00:00:01.000Z",
      found: "ill",
      reason: "it did not answer",
    });
    for (const wrong of [
      { kind: "effect", probe },
      { kind: "idempotent", keyArgument: "path", probe },
      { kind: "read", probe: {} },
      { kind: "read", probe: { arguments: [] } },
      { kind: "read", probe: { arguments: {}, everyMs: 1_000 } },
    ])
      expect(errorOf(await set(wrong))).toEqual([400, "invalid-params"]);
    await set({ kind: "read" });
  });

  test("a changed definition is shown with its difference and approved by its pin alone", async () => {
    await offer(server, { name: "read_file", description: "Reads and mails", inputSchema });
    const shown = await get("/tools/desk__read_file");
    expect(shown.body.tool).toMatchObject({ state: "quarantined", callable: false });
    expect(shown.body.offered).toMatchObject({
      fields: ["description"],
      differences: [{ pointer: "/description", kind: "changed" }],
    });
    const wrong = await post("/tools/desk__read_file/approve", { pin: "0".repeat(64) });
    expect(errorOf(wrong)).toEqual([409, "conflict"]);
    const { pin } = shown.body.offered;
    const approved = await post("/tools/desk__read_file/approve", { pin });
    expect(approved.body).toMatchObject({ pin, replaced: shown.body.tool.pin, classReset: null });
    expect((await get("/tools/desk__read_file")).body).toMatchObject({
      tool: { state: "live" },
      offered: null,
    });
  });

  test("one that is gone is forgotten, one that is there is not", async () => {
    expect(errorOf(await office.send(office.admin, "DELETE", "/tools/desk__read_file"))).toEqual([
      409,
      "conflict",
    ]);
    const path = `/tools/${encodeURIComponent("desk/gone/soon")}`;
    expect((await get(path)).body.tool.state).toBe("gone");
    expect((await office.send(office.admin, "DELETE", path)).status).toBe(200);
    expect(errorOf(await get(path))).toEqual([404, "not-found"]);
  });
});

describe.each([
  ["agents", "agent"],
  ["people", "person"],
  ["services", "service"],
])("%s", (plural, kind) => {
  test("are created, listed, given roles, disabled and enabled", async () => {
    const created = await post(`/${plural}`, { name: "ada", roles: ["clerk"] });
    expect(created.body.principal).toMatchObject({ kind, name: "ada", roles: ["clerk"], enabled: true });
    expect(errorOf(await post(`/${plural}`, { name: "ada" }))).toEqual([409, "conflict"]);
    const { id } = created.body.principal;
    expect((await get(`/${plural}/${encodeURIComponent(id)}`)).body.name).toBe("ada");
    const roles = await office.send(office.admin, "PUT", `/${plural}/ada/roles`, { roles: ["lead"] });
    expect(roles.body.principal.roles).toEqual(["lead"]);
    expect((await post(`/${plural}/ada/disable`)).body.principal.enabled).toBe(false);
    expect(errorOf(await post(`/${plural}/ada/tokens`, {}))).toEqual([409, "conflict"]);
    expect((await post(`/${plural}/ada/enable`)).body.principal.enabled).toBe(true);
    const listed = await get(`/${plural}?limit=500`);
    expect(listed.body.items.map((each: { name: string }) => each.name)).toContain("ada");
    expect(listed.body.next).toBeNull();
  });

  test("get a token that works until it is revoked; it is in no other answer and not cached", async () => {
    const issued = await post(`/${plural}/ada/tokens`, { ttlMs: 60_000 });
    expect(issued.headers.get("cache-control")).toBe("no-store");
    const { token } = issued.body;
    expect(await office.send(token, "GET", "/status")).toMatchObject({ status: 403 });
    const revoked = await office.send(office.admin, "DELETE", `/${plural}/ada/tokens`);
    expect(revoked.text).not.toContain(token);
    expect(errorOf(await office.send(token, "GET", "/status"))).toEqual([401, "principal-disabled"]);
  });

  test("get a key that works until it is revoked, and is only shown when made", async () => {
    const issued = await post(`/${plural}/ada/keys`, { label: "laptop" });
    expect(issued.status).toBe(201);
    expect(issued.headers.get("cache-control")).toBe("no-store");
    const { key, secret } = issued.body;
    expect(await office.send(secret, "GET", "/status")).toMatchObject({ status: 403 });
    const listed = await get(`/${plural}/ada/keys`);
    expect(listed.body.items).toEqual([key]);
    expect(listed.text).not.toContain(secret);
    await office.send(office.admin, "DELETE", `/${plural}/ada/keys/${key.id}`);
    expect(errorOf(await office.send(secret, "GET", "/status"))).toEqual([401, "unauthenticated"]);
    const payload = await get(`/audit/entries/${encodeURIComponent(issued.body.receipt.entry)}/payload`);
    expect(payload.text).not.toContain(secret);
    expect(payload.body.payload.note).toMatchObject({ name: "ada", key: key.id, label: "laptop" });
  });

  test("are not reached under another kind's noun, whose action is another", async () => {
    const other = plural === "agents" ? "services" : "agents";
    const { id } = (await get(`/${plural}/ada`)).body;
    expect(errorOf(await post(`/${other}/${encodeURIComponent(id)}/tokens`, {}))).toEqual([404, "not-found"]);
  });
});

describe("tenants", () => {
  test("are made by people of the tenant system, who see all; others see their own", async () => {
    const made = await office.send(office.systemAdmin, "POST", "/tenants", { id: "finance" });
    expect(made.body.tenant.id).toBe("finance");
    const ids = ({ body }: Reply) => body.items.map((each: { id: string }) => each.id);
    expect(ids(await office.send(office.systemAdmin, "GET", "/tenants"))).toEqual([
      "default",
      "finance",
      "system",
    ]);
    expect(ids(await get("/tenants"))).toEqual(["default"]);
    expect(errorOf(await post("/tenants", { id: "rogue" }))).toEqual([403, "forbidden"]);
    expect(errorOf(await post("/tenants/finance/admin-key"))).toEqual([404, "not-found"]);
  });

  test("the first admin gets a key, and nothing of another tenant can be seen or touched with it", async () => {
    const key = await office.send(office.systemAdmin, "POST", "/tenants/finance/admin-key");
    const { secret } = key.body;
    const theirs = (method: "GET" | "POST" | "DELETE", path: string) => office.send(secret, method, path);
    expect((await theirs("GET", "/status")).body).toMatchObject({ tenant: "finance", installation: null });
    expect((await theirs("GET", "/servers")).body.items).toEqual([]);
    const server = office.registry.serversOf(defaultTenant)[0];
    const agent = (await get("/agents/ada")).body;
    const entry = (await get("/audit/entries?limit=1")).body.items[0].id;
    for (const path of [
      `/servers/${server?.id}`,
      `/agents/${encodeURIComponent(agent.id)}`,
      `/audit/entries/${encodeURIComponent(entry)}`,
      `/receipts/${encodeURIComponent(entry)}`,
      `/tools/${encodeURIComponent(`${server?.id}/read_file`)}`,
    ]) {
      expect(errorOf(await theirs("GET", path)), path).toEqual([404, "not-found"]);
    }
    expect(errorOf(await theirs("DELETE", `/servers/${server?.id}`))).toEqual([404, "not-found"]);
    expect(errorOf(await theirs("POST", `/agents/${encodeURIComponent(agent.id)}/disable`))).toEqual([
      404,
      "not-found",
    ]);
    // The tenant's own ledger says who let its first admin in.
    const seen = (await theirs("GET", "/audit/entries?kind=act&limit=500")).body.items.map(
      (each: { method: string }) => each.method,
    );
    expect(seen).toContain("admin.tenant.issue-admin-key");
  });
});

describe("vault", () => {
  test("names are listed, values never; the ledger has neither value", async () => {
    const put = await office.send(office.admin, "PUT", "/vault/github", { value: "canary-value" });
    expect(put.body.secret).toMatchObject({ name: "github", version: 1 });
    expect(
      (await office.send(office.admin, "PUT", "/vault/github", { value: "canary-next" })).body.secret.version,
    ).toBe(2);
    const listed = await get("/vault");
    expect(listed.body.items).toMatchObject([{ name: "github", version: 2 }]);
    expect(await office.vault.reveal(defaultTenant, "github")).toBe("canary-next");
    const { entry } = put.body.receipt;
    const payload = await get(`/audit/entries/${encodeURIComponent(entry)}/payload`);
    for (const { text } of [put, listed, payload]) expect(text).not.toContain("canary");
    expect((await office.send(office.admin, "DELETE", "/vault/github")).status).toBe(200);
    expect(errorOf(await office.send(office.admin, "DELETE", "/vault/github"))).toEqual([404, "not-found"]);
  });
});

describe("status", () => {
  test("says how node and tenant are", async () => {
    const { body } = await get("/status");
    expect(body).toMatchObject({ node: { name: "local" }, tenant: "default", installation: null });
    expect(body.counts.servers.down + body.counts.servers.connecting + body.counts.servers.healthy).toBe(
      office.registry.serversOf(defaultTenant).length,
    );
    const whole = await office.send(office.systemAdmin, "GET", "/status");
    expect(whole.body.installation.tenants).toBe(3);
    expect(office.troubles).toEqual([]);
  });
});
