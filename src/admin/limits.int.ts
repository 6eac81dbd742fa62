import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom, systemClock } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { Registry, limitDefaults } from "../registry/index.ts";
import type { Office } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

const get = (path: string) => office.send(office.admin, "GET", path);
const put = (body: object) => office.send(office.admin, "PUT", "/limits", body);

describe("limits", () => {
  test("are the defaults before any are set", async () => {
    expect((await get("/limits")).body).toEqual({
      version: 0,
      origin: "default",
      since: null,
      ...limitDefaults,
    });
    expect((await get("/limits/versions")).body.items).toEqual([]);
  });

  test("that are set are in force and on record, with what they were before", async () => {
    const { status, body } = await put({ perPrincipalCallsMax: 50, agents: { invoicer: 5 }, replaces: 0 });
    expect(status).toBe(200);
    const said = { version: 1, origin: "api", perPrincipalCallsMax: 50, tenantCallsMax: null };
    expect(body.limits).toMatchObject({ ...said, agents: { invoicer: 5 } });
    expect((await get("/limits")).body).toEqual(body.limits);
    expect(office.registry.limits.of(defaultTenant).limits.agents).toEqual({ invoicer: 5 });
    expect(await newestEntries(office, 1)).toEqual(["act admin.limits.set succeeded"]);
    const { body: opened } = await get(`/audit/entries/${encodeURIComponent(body.receipt.entry)}/payload`);
    expect(opened.payload.note).toMatchObject({
      version: 1,
      from: { perPrincipalCallsMax: 100 },
      to: { perPrincipalCallsMax: 50, agents: { invoicer: 5 } },
    });
  });

  test("left out have their defaults, and every version is kept", async () => {
    expect((await put({ tenantCallsMax: 200 })).body.limits).toMatchObject({
      ...limitDefaults,
      tenantCallsMax: 200,
      version: 2,
    });
    const first = (await get("/limits/versions?limit=1")).body;
    expect(first.items).toMatchObject([{ version: 2 }]);
    const second = (await get(`/limits/versions?limit=1&cursor=${first.next}`)).body;
    expect([second.items[0].version, second.next]).toEqual([1, null]);
  });

  test("are not set by whoever has seen others", async () => {
    const reply = await put({ perPrincipalCallsMax: 1, replaces: 1 });
    expect([reply.status, reply.body.error.code]).toEqual([409, "conflict"]);
    expect((await get("/limits")).body.version).toBe(2);
  });

  test("are set on what another node has set a moment ago", async () => {
    const other = new Registry({ ...office, clock: systemClock, random: seededRandom("other") });
    await other.start();
    const change = other.limits.put(defaultTenant, { ...limitDefaults, perPrincipalCallsMax: 7 }, "api");
    other.stop();
    if (!change.ok) throw new Error(change.refusal.detail);
    await office.store.commit(change.value.writes);
    expect((await put({ tenantCallsMax: 200 })).body.limits).toMatchObject({
      ...limitDefaults,
      tenantCallsMax: 200,
      version: 4,
    });
  });

  test.each<object>([
    { perPrincipalCallsMax: 0 },
    { tenantCallsMax: 100_001 },
    { perPrincipalCallsMax: 1.5 },
    { agents: { "two words": 1 } },
    { agents: { a: null } },
    { perPrincipal: 3 },
    { agents: { constructor: "x" } },
  ])("of %j are refused", async (body) => {
    const reply = await put(body);
    expect([reply.status, reply.body.error.code]).toEqual([400, "invalid-params"]);
    expect((await get("/limits")).body.version).toBe(4);
  });

  test("are not for agents to set", async () => {
    const reply = await office.send(office.agent, "PUT", "/limits", { perPrincipalCallsMax: 9_999 });
    expect(reply.status).toBe(403);
  });
});
