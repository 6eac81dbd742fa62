import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
  const server = await office.commit(
    office.registry.addServer(defaultTenant, {
      name: "bank",
      transport: { kind: "http", url: "https://bank.example/mcp", headers: {} },
    }),
  );
  const offered = await office.registry.offer(server.id, [
    {
      name: "pay",
      inputSchema: { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] },
    },
  ]);
  if (!offered.ok) throw new Error(offered.refusal.detail);
  for (const change of offered.value.changes) await office.commit({ ok: true, value: change });
});
afterAll(() => office.stop());

const get = (path: string) => office.send(office.admin, "GET", path);
const post = (path: string, body: unknown) => office.send(office.admin, "POST", path, body);
const put = (text: string, more: object = {}) =>
  office.send(office.admin, "PUT", "/policies", { sources: [{ name: "p.cedar", text }], ...more });
const errorOf = ({ status, body }: Reply) => [status, body.error?.code];

const admins = `@id("admins") permit (principal is Person in Role::"admin", action in Action::"admin", resource);`;
const small = `${admins}
@id("small-payments") permit (principal is Agent, action == Action::"call", resource == Tool::"bank/pay")
when { context.args.amount < 1000 };`;

describe("policies", () => {
  let first: string;

  test("before any is set, the defaults are shown as what holds", async () => {
    const { body } = await get("/policies");
    expect(body).toMatchObject({
      version: null,
      origin: "default",
      trouble: null,
      inForce: [{ id: "admins" }],
    });
  });

  test("a new version is compiled, recorded and in force with the next request", async () => {
    const set = await put(small, { replaces: null });
    expect(set.status).toBe(200);
    first = set.body.version.digest;
    const { body } = await get("/policies");
    expect(body).toMatchObject({ version: { digest: first }, origin: "api", trouble: null });
    expect(body.inForce.map((each: { id: string }) => each.id)).toEqual(["admins", "small-payments"]);
    expect(await newestEntries(office, 1)).toEqual(["act admin.policy.set succeeded"]);
  });

  test("a broken version changes nothing and all its problems come at once", async () => {
    const broken = `permit (principal, action, resource) when { context.args. };`;
    const reply = await office.send(office.admin, "PUT", "/policies", {
      sources: [
        { name: "a.cedar", text: broken },
        { name: "b.cedar", text: `@approve("group=x") permit (principal, action, resource);` },
      ],
    });
    expect(errorOf(reply)).toEqual([400, "config-invalid"]);
    expect(reply.body.error.problems.map((each: { file: string }) => each.file)).toEqual([
      "a.cedar",
      "b.cedar",
    ]);
    expect(reply.body.error.detail).toContain("a.cedar:1");
    expect((await get("/policies")).body.version.digest).toBe(first);
    expect(await newestEntries(office, 1)).toEqual(["act admin.policy.set refused config-invalid"]);
  });

  test("checking says the same and leaves no trace", async () => {
    const before = await newestEntries(office, 1);
    const sources = [{ name: "a.cedar", text: "permit (principal" }];
    expect((await post("/policies/check", { sources })).body).toMatchObject({ acceptable: false });
    const good = await post("/policies/check", { sources: [{ name: "a.cedar", text: small }] });
    expect(good.body).toMatchObject({ acceptable: true });
    expect(await newestEntries(office, 1)).toEqual(before);
  });

  test("whoever has seen another version than the active one changes nothing", async () => {
    expect(errorOf(await put(admins, { replaces: "0".repeat(64) }))).toEqual([409, "conflict"]);
    expect(errorOf(await put(admins, { replaces: null }))).toEqual([409, "conflict"]);
  });

  test("an earlier version can be activated again", async () => {
    const second = await put(admins);
    const listed = await get("/policies/versions");
    expect(listed.body.items).toHaveLength(2);
    expect(listed.body.items.filter((each: { isActive: boolean }) => each.isActive)).toMatchObject([
      { digest: second.body.version.digest, sources: ["p.cedar"] },
    ]);
    const back = await post("/policies/activate", { digest: first });
    expect(back.body.version.digest).toBe(first);
    const shown = await get(`/policies/versions/${first}`);
    expect(shown.body.sources).toEqual([{ name: "p.cedar", text: small }]);
    expect(errorOf(await post("/policies/activate", { digest: "0".repeat(64) }))).toEqual([404, "not-found"]);
    expect(errorOf(await get("/policies/versions/xyz"))).toEqual([400, "invalid-params"]);
  });

  test("explaining a call says what decides, with other arguments too", async () => {
    const ask = (amount: number) =>
      post("/policies/explain", { principal: "nobody", tool: "bank__pay", arguments: { amount } });
    const allowed = (await ask(5)).body;
    expect(allowed).toMatchObject({
      effect: "allow",
      reasons: [{ id: "small-payments" }],
      reads: ["context.args.amount"],
    });
    const denied = (await ask(5_000)).body;
    expect(denied).toMatchObject({ effect: "deny", reasons: [] });
    expect(denied.policies).toMatchObject([
      { id: "small-payments", findings: [{ finding: "condition-false" }] },
    ]);
    const admin = await post("/policies/explain", { principal: office.agentId, action: "admin.server.add" });
    expect(admin.body.effect).toBe("deny");
    expect(errorOf(await post("/policies/explain", { principal: "nobody" }))).toEqual([
      400,
      "invalid-params",
    ]);
    expect(errorOf(await post("/policies/explain", { principal: "ghost", tool: "bank__pay" }))).toEqual([
      404,
      "not-found",
    ]);
    expect(
      errorOf(await post("/policies/explain", { principal: "nobody", tool: "x", action: "Call" })),
    ).toEqual([400, "invalid-params"]);
  });

  test("policies that would lock out whoever sets them need force, and so does going back to them", async () => {
    const lockedOut = `@id("agents") permit (principal is Agent, action == Action::"call", resource);`;
    const before = (await get("/policies")).body.version.digest;
    const refused = await put(lockedOut);
    expect(errorOf(refused)).toEqual([400, "config-invalid"]);
    expect(refused.body.error.detail).toContain("would not let you set policies any more");
    expect(await newestEntries(office, 1)).toEqual(["act admin.policy.set refused config-invalid"]);
    const onlyWithApproval = `${admins}
      @approve("group=admin") forbid (principal, action == Action::"admin.policy.set", resource);`;
    expect(errorOf(await put(onlyWithApproval, { force: false }))).toEqual([400, "config-invalid"]);
    expect((await get("/policies")).body.version.digest).toBe(before);

    const other = await openOffice();
    const ask = (method: "GET" | "POST" | "PUT", path: string, body?: unknown) =>
      other.send(other.admin, method, path, body);
    const sources = [{ name: "p.cedar", text: admins }];
    const forced = await ask("PUT", "/policies", {
      sources: [{ name: "p.cedar", text: lockedOut }],
      force: true,
    });
    expect(forced.status).toBe(200);
    expect(errorOf(await ask("PUT", "/policies", { sources }))).toEqual([403, "forbidden"]);
    await other.stop();
  });

  test("a version that would lock its activator out is not gone back to without force", async () => {
    const other = await openOffice();
    const ask = (method: "POST" | "PUT", path: string, body: unknown) =>
      other.send(other.admin, method, path, body);
    // May activate, but not set: so only force has put it there, and force brings it back.
    const half = `permit (principal in Role::"admin", action == Action::"admin.policy.activate", resource);`;
    const whole = await ask("PUT", "/policies", { sources: [{ name: "p.cedar", text: admins }] });
    const set = await ask("PUT", "/policies", { sources: [{ name: "p.cedar", text: half }], force: true });
    expect(set.status).toBe(200);
    const { digest } = set.body.version;
    expect((await ask("POST", "/policies/activate", { digest: whole.body.version.digest })).status).toBe(200);
    expect(errorOf(await ask("POST", "/policies/activate", { digest }))).toEqual([400, "config-invalid"]);
    expect((await ask("POST", "/policies/activate", { digest, force: true })).status).toBe(200);
    await other.stop();
  });

  test("those of the configuration file are read-only here", async () => {
    office.fileOwnsPolicies = true;
    expect((await get("/policies")).body.origin).toBe("file");
    expect(errorOf(await put(admins))).toEqual([409, "conflict"]);
    expect(errorOf(await post("/policies/activate", { digest: first }))).toEqual([409, "conflict"]);
    office.fileOwnsPolicies = false;
  });

  test("an act that policy wants approved is refused as such", async () => {
    await put(`${admins}
      @approve("group=admin") forbid (principal, action == Action::"admin.vault.put", resource);`);
    const reply = await office.send(office.admin, "PUT", "/vault/x", { value: "y" });
    expect(errorOf(reply)).toEqual([403, "approval-needed"]);
    expect(await office.vault.list(defaultTenant)).toEqual([]);
  });
});
