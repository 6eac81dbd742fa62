import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Result } from "../base/index.ts";
import { Fault, invariant, ManualClock, seededRandom } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import type { Change, MemoryStore } from "../store/index.ts";
import { insert, MemoryDatabase, openMemoryStore, update } from "../store/index.ts";
import { Secret, secretBytesMax, secretsPerTenantMax, Vault, vaultTables } from "./index.ts";
import { KnownSecrets } from "./known-secrets.ts";
import { secretTable, valueTable } from "./tables.ts";

const tables = [...vaultTables, ...keyTables];
const acme = "acme" as TenantId;

let clock: ManualClock;
let database: MemoryDatabase;
let store: MemoryStore;
let keys: Keys;
let vault: Vault;

beforeEach(async () => {
  clock = new ManualClock();
  database = new MemoryDatabase(tables);
  store = openMemoryStore({ tables, clock, database });
  await store.start();
  keys = new Keys({ store, clock, random: seededRandom("vault"), kek: new Uint8Array(32).fill(7) });
  await keys.start();
  vault = new Vault({ store, keys, clock });
  await vault.start();
});
afterEach(async () => {
  await vault.stop();
  await vault.stop();
  await keys.stop();
  await store.stop();
});

const granted = <T>(result: Result<T>): T => {
  invariant(result.ok, "refused");
  return result.value;
};
const codeOf = (result: Result<unknown>) => (result.ok ? "ok" : result.refusal.code);
const make = async <T>(change: Result<Change<T>>): Promise<T> => {
  const { writes, value, applied } = granted(change);
  expect((await store.commit(writes)).verdict).toBe("done");
  applied();
  return value;
};
const put = async (name: string, value: string, tenant = defaultTenant) =>
  make(await vault.put(tenant, name, value));
const faultOf = (promise: Promise<unknown>): Promise<Fault> =>
  promise.then(
    () => {
      throw new Error("it was revealed");
    },
    (thrown: unknown) => {
      invariant(thrown instanceof Fault, "not a Fault");
      return thrown;
    },
  );

describe("a secret in the vault", () => {
  test("is revealed by name, listed without its value, and sealed in the store", async () => {
    await put("github", "ghp_canary-canary");
    await put("db.password", "x é \n y");
    expect(await vault.reveal(defaultTenant, "github")).toBe("ghp_canary-canary");
    expect(await vault.reveal(defaultTenant, "db.password")).toBe("x é \n y");
    const list = await vault.list(defaultTenant);
    expect(list.map((each) => [each.name, each.version])).toEqual([
      ["db.password", 1],
      ["github", 1],
    ]);
    expect(JSON.stringify(list)).not.toContain("canary");
    const rows = await store.list(valueTable, { index: "key", limit: 10 });
    expect(rows.some((row) => Buffer.from(row.sealed).includes("canary"))).toBe(false);
    const printed = inspect(vault, { depth: 20, showHidden: true });
    expect(printed.includes("canary") || printed.includes("x é")).toBe(false);
  });

  test("that is replaced has its new value at once here, and within a second on another node", async () => {
    const other = new Vault({ store, keys, clock });
    await put("token", "the first value");
    expect(await vault.reveal(defaultTenant, "token")).toBe("the first value");
    expect(await other.reveal(defaultTenant, "token")).toBe("the first value");
    expect((await put("token", "the second value")).version).toBe(2);
    expect(await vault.reveal(defaultTenant, "token")).toBe("the second value");
    clock.advance(1_000);
    expect(await other.reveal(defaultTenant, "token")).toBe("the second value");
  });

  test("that is replaced while it is being revealed is not used again", async () => {
    await put("token", "the first value");
    const key = await keys.scopeKey(`vault/${defaultTenant}`);
    const gate = Promise.withResolvers<typeof key>();
    const keyFor = [gate.promise]; // the first to ask waits, the others do not
    const slow = new Vault({
      store,
      clock,
      keys: { seal: keys.seal.bind(keys), open: keys.open.bind(keys), scopeKey: () => keyFor.shift() ?? key },
    });
    const revealing = slow.reveal(defaultTenant, "token");
    await make(await slow.put(defaultTenant, "token", "the second value"));
    gate.resolve(key);
    expect(await revealing).toBe("the first value");
    expect(await slow.reveal(defaultTenant, "token")).toBe("the second value");
  });

  test("that is removed or was never there gives a fault that says what to do, and no value", async () => {
    await put("token", "canary-value");
    await vault.reveal(defaultTenant, "token");
    await make(await vault.remove(defaultTenant, "token"));
    for (const name of ["token", "never"]) {
      const fault = await faultOf(vault.reveal(defaultTenant, name));
      expect(fault).toMatchObject({ code: "config-invalid", effect: "none" });
      expect(fault.message).toContain(`signalbox vault put ${name}`);
      expect(inspect(fault)).not.toContain("canary-value");
    }
    expect(codeOf(await vault.remove(defaultTenant, "token"))).toBe("not-found");
    expect(await store.list(valueTable, { index: "key", limit: 10 })).toEqual([]);
  });

  test("belongs to its tenant", async () => {
    await put("token", "ours-ours-ours");
    await put("token", "theirs-theirs", acme);
    expect(await vault.reveal(acme, "token")).toBe("theirs-theirs");
    await make(await vault.remove(acme, "token"));
    expect((await faultOf(vault.reveal(acme, "token"))).code).toBe("config-invalid");
    expect(await vault.list(acme)).toEqual([]);
    expect(vault.knownSecrets(defaultTenant)).toEqual([]);
  });

  test("opens only in its own place: bytes moved from another tenant, name or version are refused", async () => {
    await put("a", "value of a");
    await put("a", "newer value of a");
    const older = await store.get(valueTable, { tenant: defaultTenant, name: "a" });
    invariant(older, "it is there");
    await put("a", "newest value of a");
    await put("b", "value of b");
    await put("a", "value of acme's a", acme);
    for (const key of [
      { tenant: defaultTenant, name: "a" },
      { tenant: defaultTenant, name: "b" },
      { tenant: acme, name: "a" },
    ]) {
      await store.commit([update(valueTable, key, { sealed: older.sealed })]);
      const fault = await faultOf(vault.reveal(key.tenant, key.name));
      expect(["internal", "erased"]).toContain(fault.code);
    }
  });

  test("put twice side by side is a conflict for the second", async () => {
    for (const round of [1, 2]) {
      const [one, two] = [
        granted(await vault.put(defaultTenant, "token", `one ${round}`)),
        granted(await vault.put(defaultTenant, "token", `two ${round}`)),
      ];
      expect((await store.commit(one.writes)).verdict).toBe("done");
      expect((await store.commit(two.writes)).verdict).toBe("guard-failed");
      one.applied();
      expect(await vault.reveal(defaultTenant, "token")).toBe(`one ${round}`);
    }
  });

  test("has a name and a value within bounds, and a refusal never quotes the value", async () => {
    for (const name of ["", "a b", "a/b", "é", "x".repeat(129)]) {
      expect(codeOf(await vault.put(defaultTenant, name, "value"))).toBe("invalid-params");
    }
    for (const value of ["", "canary\0", "canary\ud800", "canary".repeat(secretBytesMax / 6 + 1)]) {
      const result = await vault.put(defaultTenant, "name", value);
      expect(codeOf(result)).toBe("invalid-params");
      expect(JSON.stringify(result)).not.toContain("canary");
    }
    expect(codeOf(await vault.put(defaultTenant, "__proto__", "x".repeat(secretBytesMax)))).toBe("ok");
  });

  test("is one of at most a thousand per tenant, of which each may still be replaced", async () => {
    for (let i = 0; i < secretsPerTenantMax; i += 500) {
      const writes = Array.from({ length: 500 }, (_, j) =>
        insert(secretTable, {
          tenant: defaultTenant,
          name: `n${i + j}`,
          version: 1,
          createdAt: 0,
          updatedAt: 0,
        }),
      );
      await store.commit(writes);
    }
    expect(codeOf(await vault.put(defaultTenant, "one-more", "value"))).toBe("conflict");
    expect(codeOf(await vault.put(defaultTenant, "n7", "value"))).toBe("ok");
    expect(codeOf(await vault.put(acme, "one-more", "value"))).toBe("ok");
  });
});

describe("known secrets", () => {
  test("are the values revealed here, also former ones; the same array until there is a new one", async () => {
    await put("token", "first value");
    expect(vault.knownSecrets(defaultTenant)).toEqual([]);
    await vault.reveal(defaultTenant, "token");
    const known = vault.knownSecrets(defaultTenant);
    await vault.reveal(defaultTenant, "token");
    expect(vault.knownSecrets(defaultTenant)).toBe(known);
    await put("token", "second value");
    await vault.reveal(defaultTenant, "token");
    expect(vault.knownSecrets(defaultTenant)).toEqual(["first value", "second value"]);
    await vault.stop();
    expect(vault.knownSecrets(defaultTenant)).toEqual([]);
  });

  test("are bounded, the oldest going first", () => {
    const known = new KnownSecrets(3);
    for (const value of ["a", "b", "c", "d"]) known.add("t", value);
    expect(known.of("t")).toEqual(["b", "c", "d"]);
  });
});

describe("a secret in memory", () => {
  test("prints as [secret] however it is printed", () => {
    const secret = new Secret("canary");
    const printed = [
      String(secret),
      ["a", secret].join(),
      Buffer.from(secret as unknown as string).toString(),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
      Object.entries(secret).join(),
      JSON.stringify({ ...secret }),
    ];
    for (const text of printed) expect(text).not.toContain("canary");
    expect(printed[0]).toBe("[secret]");
    expect(printed[3]).toBe('{"secret":"[secret]"}');
    expect(secret.reveal()).toBe("canary");
  });
});
