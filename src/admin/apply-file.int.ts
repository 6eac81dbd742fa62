import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonicalDigest, seededRandom, systemClock } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Limits, ServerInput } from "../registry/index.ts";
import { Registry, limitDefaults } from "../registry/index.ts";
import type { ApplyFileOptions } from "./apply-file.ts";
import { applyFileSection } from "./apply-file.ts";
import type { Office } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeEach(async () => {
  office = await openOffice();
});
afterEach(() => office.stop());

const server = (name: string, more: Partial<ServerInput> = {}): ServerInput => ({
  name,
  transport: { kind: "http", url: `https://${name}.example/mcp`, headers: {} },
  ...more,
});

const apply = (
  servers: readonly ServerInput[],
  limits: Limits | null = null,
  acts: ApplyFileOptions["acts"] = office.acts,
) =>
  applyFileSection({
    registry: office.registry,
    acts,
    actor: office.node(),
    section: { digest: canonicalDigest(servers), servers },
    limits,
    lease: { store: office.store, clock: systemClock, holder: "local" },
  });

describe("the servers of the configuration file", () => {
  test("are added, changed and removed by the node's own principal, each with an entry", async () => {
    expect(await apply([server("one"), server("two")])).toEqual([]);
    expect(await apply([server("one", { callTimeoutMs: 1_000 })])).toEqual([]);
    const names = office.registry
      .serversOf(defaultTenant)
      .map(({ name, callTimeoutMs }) => [name, callTimeoutMs]);
    expect(names).toEqual([["one", 1_000]]);
    expect(await newestEntries(office, 6)).toEqual([
      "act admin.file.apply succeeded",
      "act admin.server.change succeeded",
      "act admin.server.remove succeeded",
      "act admin.file.apply succeeded",
      "act admin.server.add succeeded",
      "act admin.server.add succeeded",
    ]);
    const [newest] = await office.ledger.list(defaultTenant, { limit: 1 });
    expect(newest?.entry.principals).toEqual([office.node().id]);
  });

  test("are left alone when the digest was applied last", async () => {
    await apply([server("one")]);
    const before = await office.ledger.list(defaultTenant, { limit: 500 });
    await apply([server("one")]);
    expect(await office.ledger.list(defaultTenant, { limit: 500 })).toHaveLength(before.length);
  });

  test("are read-only to the API, and those of the API are untouched by the file", async () => {
    await apply([server("one")]);
    const body = { name: "mine", transport: { kind: "http", url: "https://mine.example/mcp", headers: {} } };
    await office.send(office.admin, "POST", "/servers", body);
    const change = await office.send(office.admin, "PATCH", "/servers/one", { enabled: false });
    expect([change.status, change.body.error.code]).toEqual([409, "conflict"]);
    await apply([]);
    expect(office.registry.serversOf(defaultTenant).map(({ name }) => name)).toEqual(["mine"]);
  });

  test("that cannot be applied leave what is there, say why and leave an entry", async () => {
    await apply([server("one")]);
    const troubles = await apply([server("one"), server("signalbox")]);
    expect(troubles.join(" ")).toContain("reserved");
    expect(office.registry.serversOf(defaultTenant).map(({ name }) => name)).toEqual(["one"]);
    expect(await newestEntries(office, 1)).toEqual(["act admin.file.apply refused invalid-params"]);
  });

  test("are applied by one node at a time", async () => {
    const lease = await office.store.acquireLease("admin/file/default", "other", 30_000);
    const applying = apply([server("one")]);
    expect(office.registry.serversOf(defaultTenant)).toEqual([]);
    if (lease !== null) await office.store.releaseLease(lease);
    expect(await applying).toEqual([]);
    expect(office.registry.serversOf(defaultTenant)).toHaveLength(1);
  });
});

describe("the limits of the configuration file", () => {
  const few = { perPrincipalCallsMax: 5, tenantCallsMax: 50, agents: { invoicer: 2 } };
  const inForce = () => office.registry.limits.of(defaultTenant);

  test("hold by an act of the node, once, and are read-only to the API", async () => {
    expect(await apply([], few)).toEqual([]);
    expect(inForce()).toMatchObject({ version: 1, origin: "file", limits: few });
    expect(await newestEntries(office, 2)).toContain("act admin.limits.set succeeded");
    await apply([], few);
    expect(inForce().version).toBe(1);
    const answer = await office.send(office.admin, "PUT", "/limits", { perPrincipalCallsMax: 7 });
    expect([answer.status, answer.body.error.code]).toEqual([409, "conflict"]);
    expect(answer.body.error.detail).toContain("configuration file");
  });

  test("take over also what the API sets at the same moment on another node", async () => {
    const other = new Registry({ ...office, clock: systemClock, random: seededRandom("other") });
    await other.start();
    const theirs = other.limits.put(defaultTenant, { ...limitDefaults, perPrincipalCallsMax: 7 }, "api");
    other.stop();
    if (!theirs.ok) throw new Error(theirs.refusal.detail);
    let isFirst = true;
    const acts: ApplyFileOptions["acts"] = {
      recordRefusal: (...about) => office.acts.recordRefusal(...about),
      async perform(...about) {
        if (isFirst) await office.store.commit(theirs.value.writes);
        isFirst = false;
        return office.acts.perform(...about);
      },
    };
    expect(await apply([], few, acts)).toEqual([]);
    expect(inForce()).toMatchObject({ version: 2, origin: "file", limits: few });
  });

  test("take over what the API has set, and are gone with the file's last word of them", async () => {
    await office.send(office.admin, "PUT", "/limits", { perPrincipalCallsMax: 7 });
    await apply([], null);
    expect(inForce()).toMatchObject({ version: 1, origin: "api" });
    await apply([], few);
    expect(inForce()).toMatchObject({ version: 2, origin: "file" });
    await apply([], null);
    expect(inForce()).toMatchObject({ version: 3, origin: "default", limits: limitDefaults });
  });
});
