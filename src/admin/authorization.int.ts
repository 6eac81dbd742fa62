import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Office } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";
import type { Route } from "./route.ts";
import { adminActions, routes } from "./routes.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

const gated = routes.filter(({ action }) => action !== "public");
const bodyOf = (route: Route): unknown => (route.body === null ? undefined : route.example);

/** A path that names things which exist, so that only a missing right can be the reason. */
const pathOf = (route: Route): string =>
  route.path
    .replace("{name}", route.path.startsWith("/people") ? "admin" : "node")
    .replace("{call}", `call_${"0".repeat(26)}`)
    .replace("{approval}", `apr_${"0".repeat(26)}`)
    .replace("{run}", `run_${"0".repeat(26)}`)
    .replace("{digest}", "0".repeat(64))
    .replace("{tenant}", "default")
    .replaceAll(/\{\w+\}/g, "some");

describe("who may use the API", () => {
  test.each(gated)("an anonymous caller may not $method $path", async (route) => {
    const reply = await office.send(null, route.method, pathOf(route), bodyOf(route));
    expect(reply.status).toBe(401);
    expect(reply.body.error).toMatchObject({ code: "unauthenticated", cause: "caller", effect: "none" });
    expect(reply.headers.get("www-authenticate")).toContain("Bearer");
  });

  test.each(gated)(
    "an agent without rights may not $method $path, and that it tried is on record",
    async (route) => {
      // One of its own for each route: the entries of one principal are bounded.
      const token = await office.keyFor(defaultTenant, "agent", `try-${gated.indexOf(route)}`, []);
      const reply = await office.send(token, route.method, pathOf(route), bodyOf(route));
      expect(reply.status).toBe(403);
      expect(reply.body.error).toMatchObject({
        code: "forbidden",
        cause: "policy",
        retry: "never",
        effect: "none",
      });
      expect(reply.body.error.detail).not.toBe("");
      expect(await newestEntries(office, 1)).toEqual([`act ${route.action} refused forbidden`]);
    },
  );

  test("an agent with the role admin is still no person: the defaults refuse it", async () => {
    const token = await office.keyFor(defaultTenant, "agent", "climber", ["admin"]);
    expect((await office.send(token, "GET", "/status")).status).toBe(403);
  });

  test.each(adminActions)("a principal that was granted %s alone can use only its routes", async (action) => {
    const role = `only-${action}`;
    const text = `permit (principal is Person in Role::"admin", action in Action::"admin", resource);
      permit (principal in Role::"${role}", action == Action::"${action}", resource);`;
    const set = await office.send(office.admin, "PUT", "/policies", { sources: [{ name: "p.cedar", text }] });
    expect(set.status).toBe(200);
    const token = await office.keyFor(defaultTenant, "service", role, [role]);
    const inside = gated.filter((route) => route.action === action && route.kind === "read");
    for (const route of inside) {
      const reply = await office.send(token, route.method, pathOf(route), bodyOf(route));
      expect(reply.status, `${route.method} ${route.path} ${reply.text}`).not.toBe(403);
    }
    const other = action === "admin.status.show" ? "/servers" : "/status";
    expect((await office.send(token, "GET", other)).status).toBe(403);
  });

  test("refusals beyond a principal's bound are counted in one entry, not written one by one", async () => {
    const eager = await openOffice();
    for (let i = 0; i < 70; i++) await eager.send(eager.agent, "GET", "/status");
    await eager.stopAdmin();
    const entries = await eager.ledger.list(defaultTenant, { limit: 200 });
    expect(entries.filter(({ entry }) => entry.outcome?.kind === "refused")).toHaveLength(60);
    expect(entries[0]?.entry).toMatchObject({
      kind: "summary",
      method: "admin",
      versions: { refusals: "10" },
    });
    await eager.stop();
  });

  test.each([
    ["another scheme", "Basic YWRtaW46YWRtaW4="],
    ["a token with a line feed's worth of junk", "Bearer a b"],
    ["a token that is far too long", `Bearer ${"a".repeat(9_000)}`],
    ["a key that nobody has", `Bearer sbk_${"A".repeat(43)}`],
    ["a token of another installation", "Bearer eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"],
  ])("%s is unauthenticated and is not echoed", async (_, authorization) => {
    const response = await fetch(`${office.url}/api/v1/status`, { headers: { authorization } });
    const text = await response.text();
    expect(response.status).toBe(401);
    expect(text).not.toContain(authorization.slice(7, 20));
  });

  test("a revoked key ends with the next request", async () => {
    const token = await office.keyFor(defaultTenant, "person", "leaver", ["admin"]);
    expect((await office.send(token, "GET", "/status")).status).toBe(200);
    await office.send(office.admin, "POST", "/people/leaver/disable");
    const reply = await office.send(token, "GET", "/status");
    expect([reply.status, reply.body.error.code]).toEqual([401, "principal-disabled"]);
  });

  test("anyone may read the description", async () => {
    const reply = await office.send(null, "GET", "/openapi.json");
    expect(reply.status).toBe(200);
    expect(reply.body.openapi).toBe("3.1.0");
  });
});
