import { createPublicKey, verify } from "node:crypto";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Result } from "../base/index.ts";
import { ok, plusMs, sha256Hex, wallMs } from "../base/index.ts";
import { TokenCache } from "./token-cache.ts";
import type { CachedToken } from "./token-cache.ts";
import type { Issuer, Subject, VerifiedToken } from "./issuer.ts";
import type { Directory } from "./directory.ts";
import { principalFor } from "./directory.ts";
import { keysPerPrincipalMax } from "./limits.ts";
import type { PrincipalId, TenantId } from "./principal.ts";
import { defaultTenant, hasRole, systemTenant } from "./principal.ts";
import type { ApiKeyId, PrincipalRecord } from "./records.ts";
import { append } from "../store/index.ts";
import { apiKeyTable, changeTable, principalTable } from "./tables.ts";
import { agentOf, codeOf, granted, World } from "./world.fixture.ts";
import type { Node } from "./world.fixture.ts";

let world: World;
let node: Node;

beforeEach(async () => {
  world = new World();
  node = await world.firstNode();
});
afterEach(() => world.stop());

const keyFor = (id: PrincipalId, ttlMs: number | null = null) =>
  node.make(node.identities.issueApiKey(node.admin, id, { label: "laptop", ttlMs }));
const tokenFor = (id: PrincipalId) => granted(node.identities.issueToken(node.admin, id)).token;

describe("whose key it is", () => {
  test("is said of keys alone, and of the same key later as it stands then", async () => {
    const agent = await node.make(node.identities.createAgent(node.admin, { name: "a", roles: [] }));
    const { secret, record } = await keyFor(agent.id, 60_000);
    const held = granted(node.identities.keyHolding(secret));
    expect(held).toMatchObject({ principal: { id: agent.id }, record: { epoch: 1 }, key: record });
    expect(JSON.stringify(held)).not.toContain(sha256Hex(secret));
    for (const other of [tokenFor(agent.id), `sbk_${"A".repeat(43)}`, "", secret.slice(0, -1)])
      expect(codeOf(node.identities.keyHolding(other))).toBe("unauthenticated");

    const before = { tenant: agent.tenant, principal: agent.id, key: record.id, epoch: 1 };
    const later = (over: Partial<typeof before> = {}) => node.identities.keyHeld({ ...before, ...over });
    expect(granted(later())).toEqual(held);
    expect(codeOf(later({ tenant: systemTenant }))).toBe("not-found");
    expect(codeOf(later({ principal: "agent/agt_none" as PrincipalId }))).toBe("not-found");
    expect(codeOf(later({ key: "key_none" as ApiKeyId }))).toBe("not-found");
    await node.make(node.identities.revokeTokens(node.admin, agent.id));
    expect(codeOf(later())).toBe("principal-disabled");
    expect(granted(later({ epoch: 2 })).record.epoch).toBe(2);
    await node.make(node.identities.disable(node.admin, agent.id));
    expect(codeOf(node.identities.keyHolding(secret))).toBe("principal-disabled");
    await node.make(node.identities.enable(node.admin, agent.id));
    world.clock.advance(60_000);
    expect(codeOf(node.identities.keyHolding(secret))).toBe("token-expired");
  });
});

describe("a first start", () => {
  test("makes two tenants, each with the node's service and an admin", () => {
    expect(node.identities.tenants().map((tenant) => tenant.id)).toEqual([defaultTenant, systemTenant]);
    for (const tenant of [defaultTenant, systemTenant]) {
      expect(granted(node.identities.node(tenant))).toMatchObject({ kind: "service", name: "node", tenant });
    }
    expect(node.admin).toMatchObject({ kind: "person", name: "admin", roles: ["admin"], chain: [] });
    expect(node.first.isFirstStart).toBe(true);
  });

  test("a second start finds everything and writes nothing", async () => {
    const again = await world.node();
    const { writes, value } = granted(again.identities.bootstrap());
    expect(writes).toEqual([]);
    expect(value).toEqual({ ...node.first, isFirstStart: false });
  });

  test("two nodes that start first at once agree: one wins, the other reads what it made", async () => {
    const fresh = new World();
    const [one, two] = [await fresh.node(), await fresh.node()];
    const [first, second] = [granted(one.identities.bootstrap()), granted(two.identities.bootstrap())];
    const verdicts = [await one.store.commit(first.writes), await two.store.commit(second.writes)];
    expect(verdicts.map((each) => each.verdict)).toEqual(["done", "guard-failed"]);
    await two.identities.refreshIfChanged();
    expect(granted(two.identities.bootstrap()).writes).toEqual([]);
    await fresh.stop();
  });
});

describe("an API key", () => {
  test("proves its principal at once, and is kept as a hash only", async () => {
    const agent = await agentOf(node);
    const { secret, record } = await keyFor(agent.id);
    expect(secret).toMatch(/^sbk_[A-Za-z0-9_-]{43}$/);
    const result = node.identities.authenticate(secret);
    expect(result).toMatchObject({ ok: true, value: { id: agent.id, name: "bot", roles: ["reader"] } });
    const rows = await node.store.list(apiKeyTable, { index: "key", limit: 10 });
    expect(JSON.stringify(rows)).not.toContain(secret.slice(4));
    expect(JSON.stringify(granted(node.identities.apiKeys(node.admin, agent.id)))).not.toContain(
      rows[0]?.hash,
    );
    expect(inspect(node.identities, { depth: 20 })).not.toContain(secret.slice(4));
    expect(record).toEqual(granted(node.identities.apiKeys(node.admin, agent.id))[0]);
  });

  test("is nothing before the change that makes it is durable", async () => {
    const agent = await agentOf(node);
    const change = granted(node.identities.issueApiKey(node.admin, agent.id, { label: "x", ttlMs: null }));
    expect(codeOf(await node.identities.authenticate(change.value.secret))).toBe("unauthenticated");
  });

  test("ends at its expiry, when it is revoked, and rests while its principal is disabled", async () => {
    const agent = await agentOf(node);
    const short = await keyFor(agent.id, 1_000);
    const long = await keyFor(agent.id);
    world.clock.advance(999);
    expect(codeOf(await node.identities.authenticate(short.secret))).toBe("ok");
    world.clock.advance(1);
    expect(codeOf(await node.identities.authenticate(short.secret))).toBe("token-expired");
    await node.make(node.identities.disable(node.admin, agent.id));
    expect(codeOf(await node.identities.authenticate(long.secret))).toBe("principal-disabled");
    expect(codeOf(await node.identities.authenticate(short.secret))).toBe("principal-disabled");
    await node.make(node.identities.enable(node.admin, agent.id));
    expect(codeOf(await node.identities.authenticate(long.secret))).toBe("ok");
    await node.make(node.identities.revokeApiKey(node.admin, agent.id, long.record.id));
    expect(codeOf(await node.identities.authenticate(long.secret))).toBe("unauthenticated");
    expect(codeOf(node.identities.revokeApiKey(node.admin, agent.id, long.record.id))).toBe("not-found");
  });

  test("is one of at most sixteen, with a label and a life within bounds", async () => {
    const agent = await agentOf(node);
    const issue = (label: string, ttlMs: number | null) =>
      codeOf(node.identities.issueApiKey(node.admin, agent.id, { label, ttlMs }));
    for (const label of ["", "x".repeat(65), "new\nline", "é"])
      expect(issue(label, null)).toBe("invalid-params");
    for (const ttl of [0, -1, NaN, Infinity, 1e15]) expect(issue("x", ttl)).toBe("invalid-params");
    for (let i = 0; i < keysPerPrincipalMax; i++) await keyFor(agent.id);
    expect(issue("x", null)).toBe("conflict");
  });
});

describe("a token", () => {
  test("is checked once, then known; a burst of first uses is one check", async () => {
    const agent = await agentOf(node);
    const token = tokenFor(agent.id);
    const burst = await Promise.all(
      Array.from({ length: 50 }, async () => node.identities.authenticate(token)),
    );
    expect(burst.every((each) => each.ok && each.value.id === agent.id)).toBe(true);
    expect(node.identities.stats()).toMatchObject({ cacheMisses: 1, cachedTokens: 1 });
    expect(node.identities.authenticate(token)).toMatchObject({ ok: true });
    world.clock.advance(60_000);
    await node.identities.authenticate(token);
    expect(node.identities.stats().cacheMisses).toBe(2);
  });

  test("is looked at afresh within a minute, and those that came together are not all at once", async () => {
    const agents = await Promise.all(Array.from({ length: 100 }, (_, i) => agentOf(node, `bot-${i}`)));
    const tokens = agents.map(({ id }) => tokenFor(id));
    const checked = async (): Promise<number> => {
      const before = node.identities.stats().cacheMisses;
      await Promise.all(tokens.map(async (token) => node.identities.authenticate(token)));
      return node.identities.stats().cacheMisses - before;
    };
    expect(await checked()).toBe(tokens.length);
    const each: number[] = [];
    for (let second = 1; second <= 60; second++) {
      world.clock.advance(1_000);
      each.push(await checked());
    }
    const sum = each.reduce((a, b) => a + b);
    expect(sum).toBeGreaterThanOrEqual(tokens.length);
    expect(sum).toBeLessThanOrEqual(2 * tokens.length);
    expect(Math.max(...each)).toBeLessThan(tokens.length / 5);
  });

  test("is signed by the published key", () => {
    const token = tokenFor(node.admin.id);
    const [key] = node.identities.jwks().keys;
    const [header, claims, signature] = token.split(".");
    expect(JSON.parse(Buffer.from(header ?? "", "base64url").toString())).toEqual({
      alg: "EdDSA",
      typ: "at+jwt",
      kid: key?.kid,
    });
    const published = createPublicKey({ key: { ...key }, format: "jwk" });
    const bytes = Buffer.from(`${header}.${claims}`);
    expect(verify(null, bytes, published, Buffer.from(signature ?? "", "base64url"))).toBe(true);
    expect(JSON.stringify(node.identities.jwks())).not.toContain('"d"');
  });

  test("ends when its principal is disabled, and does not come back", async () => {
    const agent = await agentOf(node);
    const token = tokenFor(agent.id);
    await node.identities.authenticate(token);
    await node.make(node.identities.disable(node.admin, agent.id));
    expect(codeOf(await node.identities.authenticate(token))).toBe("principal-disabled");
    expect(codeOf(node.identities.issueToken(node.admin, agent.id))).toBe("conflict");
    expect(codeOf(node.identities.recorded(defaultTenant, agent.id))).toBe("principal-disabled");
    await node.make(node.identities.enable(node.admin, agent.id));
    expect(codeOf(await node.identities.authenticate(token))).toBe("principal-disabled");
    expect(codeOf(await node.identities.authenticate(tokenFor(agent.id)))).toBe("ok");
  });

  test("ends with all others of its principal when they are revoked; keys only on request", async () => {
    const agent = await agentOf(node);
    const other = await agentOf(node, "other");
    const [token, unseen, theirs] = [tokenFor(agent.id), tokenFor(agent.id), tokenFor(other.id)];
    const { secret } = await keyFor(agent.id);
    await node.identities.authenticate(token);
    await node.make(node.identities.revokeTokens(node.admin, agent.id));
    const codes = async () =>
      Promise.all(
        [token, unseen, theirs, secret].map(async (each) => codeOf(await node.identities.authenticate(each))),
      );
    expect(await codes()).toEqual(["principal-disabled", "principal-disabled", "ok", "ok"]);
    await node.make(node.identities.revokeTokens(node.admin, agent.id, { keys: true }));
    expect(await codes()).toEqual(["principal-disabled", "principal-disabled", "ok", "unauthenticated"]);
    expect(await node.store.list(apiKeyTable, { index: "key", limit: 10 })).toEqual([]);
  });

  test("that is being checked while its principal is disabled is refused", async () => {
    const agent = await agentOf(node);
    const checking = node.identities.authenticate(tokenFor(agent.id));
    expect(checking).toBeInstanceOf(Promise);
    await node.make(node.identities.disable(node.admin, agent.id));
    expect(codeOf(await checking)).toBe("principal-disabled");
  });

  test("shows the roles its principal has now, under another version", async () => {
    const agent = await agentOf(node);
    const token = tokenFor(agent.id);
    const before = granted(await node.identities.authenticate(token));
    await node.make(node.identities.setRoles(node.admin, agent.id, ["b", "a", "b"]));
    const after = granted(await node.identities.authenticate(token));
    expect(after.roles).toEqual(["a", "b"]);
    expect(after.version).not.toBe(before.version);
    expect(node.identities.stats().cacheMisses).toBe(1);
  });

  test("lives within bounds, and as long as configured when nobody says how long", async () => {
    for (const ttl of [0, -1, 999, 24 * 60 * 60_000 + 1, NaN, Infinity]) {
      expect(codeOf(node.identities.issueToken(node.admin, node.admin.id, ttl))).toBe("invalid-params");
    }
    const configured = await world.firstNode({ tokenTtlMs: 90_000 });
    for (const [{ identities, admin }, ttlMs] of [
      [node, 3_600_000],
      [configured, 90_000],
    ] as const)
      expect(granted(identities.issueToken(admin, admin.id)).expiresAt).toBe(
        plusMs(world.clock.wall(), ttlMs),
      );
  });
});

describe("another tenant", () => {
  test("is out of reach: its principals look like missing ones, for every verb and read", async () => {
    const { identities, make, operator, admin } = node;
    const made = await make(identities.createTenant(operator, "acme"));
    const theirs = made.admin.id;
    const missing = "person/per_00000000000000000000000000" as PrincipalId;
    for (const id of [theirs, missing]) {
      const answers: Result<unknown>[] = [
        identities.setRoles(admin, id, []),
        identities.disable(admin, id),
        identities.enable(admin, id),
        identities.revokeTokens(admin, id),
        identities.issueToken(admin, id),
        identities.issueApiKey(admin, id, { label: "x", ttlMs: null }),
        identities.revokeApiKey(admin, id, "key_x" as ApiKeyId),
        identities.apiKeys(admin, id),
        identities.find(admin, "person", id),
        identities.recorded(defaultTenant, id),
      ];
      for (const answer of answers) expect(codeOf(answer)).toBe("not-found");
      expect(JSON.stringify(answers)).not.toContain(id);
    }
    expect((await identities.list(admin, { kind: "person" })).map((each) => each.id)).toEqual([admin.id]);
  });

  test("is made by the system tenant only, with a name of its own", () => {
    const { identities, operator, admin } = node;
    expect(codeOf(identities.createTenant(admin, "acme"))).toBe("forbidden");
    expect(codeOf(identities.createTenant(operator, "default"))).toBe("conflict");
    for (const name of ["", "A", "a--b", "-a", "a-", "a/b", "a b", "x".repeat(33), "__proto__"]) {
      expect(codeOf(identities.createTenant(operator, name))).toBe("invalid-params");
    }
  });

  test("may use the same names", async () => {
    const made = await node.make(node.identities.createTenant(node.operator, "acme"));
    const boss = granted(node.identities.recorded("acme" as TenantId, made.admin.id));
    const [ours, theirs] = [await agentOf(node), await agentOf(node, "bot", boss)];
    expect(granted(node.identities.find(node.admin, "agent", "bot")).id).toBe(ours.id);
    expect(granted(node.identities.find(boss, "agent", "bot")).id).toBe(theirs.id);
  });
});

describe("names and roles", () => {
  test("are bounded in length, letters and number", () => {
    const create = (name: string, roles: readonly string[] = []) =>
      codeOf(node.identities.createAgent(node.admin, { name, roles }));
    for (const name of ["", "x".repeat(65), "a b", "a/b", "é", "a\n", "\u202Ebot"]) {
      expect(create(name)).toBe("invalid-params");
      expect(create("fine", [name])).toBe("invalid-params");
    }
    for (const name of ["x".repeat(64), "A.b_c@d-e", "__proto__", "constructor"])
      expect(create(name)).toBe("ok");
    const roles = Array.from({ length: 33 }, (_, i) => `role-${i}`);
    expect(create("fine", roles)).toBe("invalid-params");
    expect(create("fine", roles.slice(1))).toBe("ok");
  });

  test("a name is taken once per kind", async () => {
    await agentOf(node);
    expect(codeOf(node.identities.createAgent(node.admin, { name: "bot", roles: [] }))).toBe("conflict");
    expect(codeOf(node.identities.createService(node.admin, { name: "bot", roles: [] }))).toBe("ok");
  });

  test("are listed in order, in pages", async () => {
    for (const name of ["c", "a", "d", "b"]) await agentOf(node, name);
    const page = (after?: string) =>
      node.identities.list(node.admin, {
        kind: "agent",
        limit: 3,
        ...(after === undefined ? {} : { after }),
      });
    expect((await page()).map((each) => each.name)).toEqual(["a", "b", "c"]);
    expect((await page("c")).map((each) => each.name)).toEqual(["d"]);
  });

  test("a role along a chain is one that everyone in it has", () => {
    const record = (name: string, roles: readonly string[], version: number): PrincipalRecord => ({
      id: `agent/${name}` as PrincipalId,
      tenant: defaultTenant,
      kind: "agent",
      name,
      roles,
      enabled: true,
      epoch: 1,
      version,
      createdAt: wallMs(0),
    });
    const actor = record("a", ["read", "write"], 3);
    const chained = principalFor(actor, [record("b", ["read"], 5)]);
    expect([hasRole(chained, "read"), hasRole(chained, "write")]).toEqual([true, false]);
    expect(hasRole(principalFor(actor, []), "write")).toBe(true);
    expect(chained.version).toBe("agent/a@3 agent/b@5");
  });
});

describe("two changes side by side", () => {
  test("of one principal: the second is a conflict and leaves nothing", async () => {
    const agent = await agentOf(node);
    const first = granted(node.identities.setRoles(node.admin, agent.id, ["one"]));
    const second = granted(node.identities.issueApiKey(node.admin, agent.id, { label: "x", ttlMs: null }));
    expect((await node.store.commit(first.writes)).verdict).toBe("done");
    expect((await node.store.commit(second.writes)).verdict).toBe("guard-failed");
    first.applied();
    expect(codeOf(await node.identities.authenticate(second.value.secret))).toBe("unauthenticated");
  });

  test("applied in the wrong order leave the newer one", async () => {
    const agent = await agentOf(node);
    const first = granted(node.identities.setRoles(node.admin, agent.id, ["one"]));
    await node.store.commit(first.writes);
    await node.identities.refreshIfChanged();
    const second = granted(node.identities.setRoles(node.admin, agent.id, ["two"]));
    await node.store.commit(second.writes);
    second.applied();
    first.applied();
    expect(granted(node.identities.find(node.admin, "agent", "bot")).roles).toEqual(["two"]);
  });
});

describe("another node", () => {
  test("knows a revocation and a disabled key within a second, without being told", async () => {
    const agent = await agentOf(node);
    const token = tokenFor(agent.id);
    const { secret } = await keyFor(agent.id);
    const other = await world.node();
    expect(codeOf(await other.identities.authenticate(token))).toBe("ok");
    expect(codeOf(await other.identities.authenticate(secret))).toBe("ok");
    await node.make(node.identities.revokeTokens(node.admin, agent.id, { keys: true }));
    world.clock.advance(500);
    await other.identities.refreshIfChanged(); // waits for the look that the timer began
    expect(codeOf(await other.identities.authenticate(token))).toBe("principal-disabled");
    expect(codeOf(await other.identities.authenticate(secret))).toBe("unauthenticated");
    expect(other.identities.stats()).toMatchObject({ apiKeys: 0, refreshesFailed: 0 });
  });

  test("accepts a token made elsewhere for a principal it has not heard of yet", async () => {
    const other = await world.node();
    const agent = await agentOf(node);
    expect(codeOf(await other.identities.authenticate(tokenFor(agent.id)))).toBe("ok");
    await node.make(node.identities.revokeTokens(node.admin, agent.id));
    expect(codeOf(await other.identities.authenticate(tokenFor(agent.id)))).toBe("ok");
  });

  test("keeps looking after the store failed, and says how often it could not look", async () => {
    const other = await world.node();
    const agent = await agentOf(node);
    const working = other.store.listLog.bind(other.store);
    other.store.listLog = () => Promise.reject(new Error("disk"));
    await expect(other.identities.refreshIfChanged()).rejects.toThrow("disk");
    expect(other.identities.stats().refreshesFailed).toBe(1);
    other.store.listLog = working;
    await other.identities.refreshIfChanged();
    expect(other.identities.stats().refreshesFailed).toBe(0);
    expect(codeOf(other.identities.find(node.admin, "agent", agent.name))).toBe("ok");
  });

  test("passes over what newer code tells of, and hears what comes after it", async () => {
    const other = await world.node();
    await node.store.commit([
      append(changeTable, { id: "idc_new", log: "identity", subject: "group clerks" }),
    ]);
    const agent = await agentOf(node);
    await other.identities.refreshIfChanged();
    expect(codeOf(other.identities.find(node.admin, "agent", agent.name))).toBe("ok");
  });

  test("says so when the store has forgotten what it followed, also when something was changed since", async () => {
    let forgotten = 0;
    const other = await world.node({ onForgotten: () => void forgotten++ });
    const lagged = world.database.copy();
    await agentOf(node);
    await other.identities.refreshIfChanged();
    const promoted = await new World("promoted", lagged).node();
    other.store.listLog = promoted.store.listLog.bind(promoted.store);
    await expect(other.identities.refreshIfChanged()).rejects.toThrow("forgotten");
    const { admin } = node;
    await promoted.make(promoted.identities.createAgent(admin, { name: "new", roles: [] }));
    await expect(other.identities.refreshIfChanged()).rejects.toThrow("forgotten");
    expect(forgotten).toBe(2);
    await promoted.identities.stop();
    await promoted.store.stop();
  });

  test("starts with everything that is in the store, in several pages", async () => {
    const rows = Array.from({ length: 5_001 }, (_, i) => ({
      op: "insert" as const,
      table: principalTable.name,
      row: {
        id: `agent/agt_${String(i).padStart(5, "0")}`,
        tenant: "default",
        kind: "agent",
        name: `n${i}`,
        roles: "[]",
        enabled: 1,
        epoch: 1,
        version: 1,
        createdAt: 0,
      },
    }));
    for (let at = 0; at < rows.length; at += 500) await node.store.commit(rows.slice(at, at + 500));
    const other = await world.node();
    expect(other.identities.stats().principals).toBe(5_001 + 4);
    await other.identities.stop();
    await other.identities.stop();
  });
});

describe("a foreign issuer", () => {
  class Foreign implements Issuer {
    readonly issuer = "https://idp.example";
    async verify(): Promise<Result<VerifiedToken>> {
      const expiresAt = plusMs(world.clock.wall(), 300_000);
      return ok({ issuer: this.issuer, subject: "bot@idp", expiresAt, claims: {} });
    }
    principal(token: VerifiedToken, directory: Directory): Subject {
      const standing = directory.named(defaultTenant, "agent", token.subject.split("@")[0] ?? "");
      return standing === null ? { kind: "unknown" } : { kind: "found", standing, epoch: null };
    }
  }
  const token = [{ alg: "RS256" }, { iss: "https://idp.example" }, "x"]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");

  test("comes in through the same door, and its principal can be disabled like any other", async () => {
    const other = await world.node({ foreignIssuers: [new Foreign()] });
    expect(codeOf(await other.identities.authenticate(token))).toBe("unauthenticated");
    const agent = await agentOf(node);
    expect(codeOf(await other.identities.authenticate(token))).toBe("ok");
    await node.make(node.identities.disable(node.admin, agent.id));
    await other.identities.refreshIfChanged();
    expect(codeOf(await other.identities.authenticate(token))).toBe("principal-disabled");
    expect(codeOf(await node.identities.authenticate(token))).toBe("unauthenticated");
  });

  test("may not take the name of ours", async () => {
    const impostor = {
      issuer: "signalbox",
      verify: () => new Foreign().verify(),
      principal: () => ({ kind: "unknown" }),
    };
    await expect(world.node({ foreignIssuers: [impostor as Issuer] })).rejects.toThrow("same name");
  });
});

describe("the memory of verified tokens", () => {
  test("is bounded, and keeps what is in use", () => {
    const cache = new TokenCache(100);
    const entry = {} as CachedToken;
    const hash = (i: number | string) => sha256Hex(String(i));
    cache.set(hash("busy"), entry);
    for (let i = 0; i < 10_000; i++) {
      cache.set(hash(i), entry);
      expect(cache.get(hash("busy"))).toBe(entry);
      expect(cache.size).toBeLessThanOrEqual(200);
    }
    expect(cache.get(hash(0))).toBeUndefined();
    cache.delete(hash("busy"));
    expect(cache.get(hash("busy"))).toBeUndefined();
  });
});
