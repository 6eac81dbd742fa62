import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fault, ManualClock, seededRandom, systemRandom } from "../base/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/memory/index.ts";
import { keyTables } from "./index.ts";
import { Keys } from "./keys.ts";
import { cachedKeysMax } from "./scope-keys.ts";
import { scopeKeyTable, signingKeyTable } from "./tables.ts";

const kekA = new Uint8Array(32).fill(1);
const kekB = new Uint8Array(32).fill(2);

async function opened(
  database = new MemoryDatabase([...keyTables]),
  kek = kekA,
  previous: Uint8Array[] = [],
) {
  const clock = new ManualClock();
  const store = openMemoryStore({ tables: keyTables, clock, database });
  await store.start();
  const make = (bytes = kek, previousKeks = previous) =>
    new Keys({ store, random: systemRandom, clock, kek: bytes, previousKeks });
  const keys = make();
  await keys.start();
  return { database, store, keys, make };
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown.code;
    throw thrown;
  }
  return "none";
};

describe("sealing", () => {
  it("opens what it sealed, and nothing that was changed anywhere", async () => {
    const { keys } = await opened();
    const key = await keys.scopeKey("run/acme/run_1");
    const sealed = keys.seal(key, "Grüße", "call_1:0");
    expect(Buffer.from(keys.open(key, sealed, "call_1:0")).toString()).toBe("Grüße");
    for (let i = 0; i < sealed.byteLength; i++) {
      const changed = Uint8Array.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 0x40;
      const named = i >= 1 && i < 9 ? "erased" : "internal";
      expect(codeOf(() => keys.open(key, changed, "call_1:0"))).toBe(named);
    }
    for (let cut = 0; cut < sealed.byteLength; cut++) {
      expect(codeOf(() => keys.open(key, sealed.subarray(0, cut), "call_1:0"))).toBe("internal");
    }
  });

  it("refuses bytes that were moved to another entry or another scope", async () => {
    const { keys } = await opened();
    const key = await keys.scopeKey("run/acme/run_1");
    const other = await keys.scopeKey("run/acme/run_2");
    const sealed = keys.seal(key, "x", "call_1:0");
    expect(codeOf(() => keys.open(key, sealed, "call_1:1"))).toBe("internal");
    expect(codeOf(() => keys.open(other, sealed, "call_1:0"))).toBe("erased");
  });

  it("never gives the same bytes twice, and opens any payload under any name", async () => {
    const { keys } = await opened();
    const key = await keys.scopeKey("s");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.string({ unit: "binary" }), (bytes, aad) => {
        const once = keys.seal(key, bytes, aad);
        const twice = keys.seal(key, bytes, aad);
        expect(Buffer.from(once).equals(twice)).toBe(false);
        expect(Buffer.from(keys.open(key, once, aad)).equals(bytes)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("scope keys", () => {
  it("are durable before use, shared by concurrent first uses, and there after a restart", async () => {
    const { keys, make, store } = await opened();
    const [one, two] = await Promise.all([keys.scopeKey("s"), keys.scopeKey("s")]);
    expect(one).toBe(two);
    expect(keys.scopeKey("s")).toBe(one);
    expect(await store.get(scopeKeyTable, { scope: "s" })).not.toBeNull();
    const sealed = keys.seal(one, "x", "a");
    const later = make();
    await later.start();
    expect(Buffer.from(later.open(await later.scopeKey("s"), sealed, "a")).toString()).toBe("x");
  });

  it("are one key even when two nodes make it at the same moment", async () => {
    const { keys, make } = await opened();
    const other = make();
    await other.start();
    const [mine, theirs] = await Promise.all([keys.scopeKey("s"), other.scopeKey("s")]);
    expect(mine.id).toBe(theirs.id);
    expect(Buffer.from(other.open(theirs, keys.seal(mine, "x", "a"), "a")).toString()).toBe("x");
  });

  it("answer null for a scope that has none, without making one", async () => {
    const { keys, store } = await opened();
    expect(await keys.existingScopeKey("never")).toBeNull();
    expect(await store.list(scopeKeyTable, { index: "key", limit: 10 })).toEqual([]);
  });

  it("cannot be had back once erased; the scope's next key is another", async () => {
    const { keys, store } = await opened();
    const key = await keys.scopeKey("s");
    const sealed = keys.seal(key, "x", "a");
    const change = await keys.eraseScope("s");
    expect((await store.commit(change.writes)).verdict).toBe("done");
    change.applied();
    expect(await keys.existingScopeKey("s")).toBeNull();
    const next = await keys.scopeKey("s");
    expect(next.id).not.toBe(key.id);
    expect(codeOf(() => keys.open(next, sealed, "a"))).toBe("erased");
    expect((await store.commit(change.writes)).verdict).toBe("guard-failed");
  });

  it("go on after they have rested, at another place, and open what was sealed before", async () => {
    const { keys } = await opened();
    const key = await keys.scopeKey("s");
    const before = keys.seal(key, "x", "a");
    keys.rest("s");
    keys.rest("s");
    keys.rest("never used");
    const opens = (sealed: Uint8Array): string => Buffer.from(keys.open(key, sealed, "a")).toString();
    expect(opens(before)).toBe("x");
    expect(await keys.scopeKey("s")).toBe(key);
    const after = keys.seal(key, "x", "a");
    expect(opens(after)).toBe("x");
    const streamOf = (sealed: Uint8Array): string => Buffer.from(sealed.subarray(9, 21)).toString("hex");
    expect(streamOf(after)).not.toBe(streamOf(before));
    expect(streamOf(keys.seal(key, "x", "a"))).toBe(streamOf(after));
  });

  it("of names just drawn are durable with the transaction that seals first, and nothing of one that fails is left", async () => {
    const { keys, make, store } = await opened();
    const { value: key, writes, applied } = keys.newScopeKey("s");
    const sealed = keys.seal(key, "x", "a");
    expect(await keys.existingScopeKey("s")).toBeNull();
    expect((await store.commit(writes)).verdict).toBe("done");
    applied();
    expect(keys.scopeKey("s")).toBe(key);
    const later = make();
    await later.start();
    expect(Buffer.from(later.open(await later.scopeKey("s"), sealed, "a")).toString()).toBe("x");

    expect((await store.commit(keys.newScopeKey("s").writes)).verdict).toBe("guard-failed");
    expect(keys.scopeKey("s")).toBe(key);
    expect(() => keys.newScopeKey("")).toThrow("0 characters");
  });

  it("are kept in a bounded cache", async () => {
    const { keys } = await opened();
    const first = await keys.scopeKey("s0");
    for (let i = 1; i <= cachedKeysMax; i++) await keys.scopeKey(`s${i}`);
    const again = keys.scopeKey("s0");
    expect(again).toBeInstanceOf(Promise);
    expect((await again).id).toBe(first.id);
  });

  it("refuse an empty and an endless scope", async () => {
    const { keys } = await opened();
    expect(() => keys.scopeKey("")).toThrow("0 characters");
    expect(() => keys.scopeKey("x".repeat(513))).toThrow("513 characters");
  });

  it("separate the HMAC of one scope from another's", async () => {
    const { keys } = await opened();
    const [a, b] = [await keys.scopeKey("a"), await keys.scopeKey("b")];
    expect(keys.hmac(a, "x").equals(keys.hmac(a, Buffer.from("x")))).toBe(true);
    expect(keys.hmac(a, "x").equals(keys.hmac(b, "x"))).toBe(false);
  });

  it("are read or made anew when the store has become another one, which may lack some", async () => {
    const { database, keys } = await opened();
    await keys.scopeKey("run/acme/kept");
    const lagged = database.copy();
    const lost = await keys.scopeKey("run/acme/lost");
    const promoted = await opened(lagged);
    const { store } = await opened(database);
    const other = new Keys({ store, random: systemRandom, clock: new ManualClock(), kek: kekA });
    await other.start();
    await other.scopeKey("run/acme/lost");
    store.get = promoted.store.get.bind(promoted.store);
    store.commit = promoted.store.commit.bind(promoted.store);
    other.readAnew();
    const sealed = other.seal(await other.scopeKey("run/acme/lost"), "x", "call_1:0");
    expect((await other.scopeKey("run/acme/lost")).id).not.toBe(lost.id);
    const key = await promoted.keys.existingScopeKey("run/acme/lost");
    expect(key === null ? null : Buffer.from(promoted.keys.open(key, sealed, "call_1:0")).toString()).toBe(
      "x",
    );
  });
});

describe("the key-encryption key", () => {
  it("that is not this data's stops the start and says what to do", async () => {
    const { make } = await opened();
    const wrong = make(kekB);
    await expect(wrong.start()).rejects.toThrow(/give the key that belongs to this data/);
    await expect(wrong.start()).rejects.toMatchObject({ code: "config-invalid" });
    expect(codeOf(() => make(new Uint8Array(16)))).toBe("config-invalid");
  });

  it("can be rotated; all keys stay, and the old one opens nothing afterwards", async () => {
    const { keys, make, store } = await opened();
    const sealed = new Map<string, Uint8Array>();
    for (let i = 0; i < 600; i++) {
      const scope = `s${i}`;
      sealed.set(scope, keys.seal(await keys.scopeKey(scope), scope, "a"));
    }
    const kid = keys.publicKey("log").kid;
    let rows = 0;
    for await (const change of keys.rewrap(kekB)) {
      expect(change.writes.length).toBeLessThanOrEqual(256);
      expect((await store.commit(change.writes)).verdict).toBe("done");
      change.applied();
      rows += change.value;
    }
    expect(rows).toBe(603);
    await expect(make(kekA).start()).rejects.toMatchObject({ code: "config-invalid" });
    const renewed = make(kekB);
    await renewed.start();
    expect(renewed.publicKey("log").kid).toBe(kid);
    for (const [scope, bytes] of sealed) {
      expect(Buffer.from(renewed.open(await renewed.scopeKey(scope), bytes, "a")).toString()).toBe(scope);
    }
  });

  it("whose rotation was broken off is noticed, and goes on with both keys", async () => {
    const { keys, make, store } = await opened();
    for (let i = 0; i < 300; i++) await keys.scopeKey(`s${i}`);
    let commits = 0;
    for await (const change of keys.rewrap(kekB)) {
      await store.commit(change.writes);
      if (++commits === 2) break;
    }
    await expect(make(kekA).start()).rejects.toMatchObject({ code: "config-invalid" });
    await expect(make(kekB).start()).rejects.toMatchObject({ code: "config-invalid" });
    const both = make(kekB, [kekA]);
    await both.start();
    for await (const change of both.rewrap(kekB)) await store.commit(change.writes);
    const only = make(kekB);
    await only.start();
    for (let i = 0; i < 300; i++) expect(await only.existingScopeKey(`s${i}`)).not.toBeNull();
  });
});

describe("signing keys", () => {
  it("are made once, survive restarts, differ by name, and sign what their public halves verify", async () => {
    const { keys, make, store } = await opened();
    const later = make();
    await later.start();
    expect(later.publicKey("log")).toEqual(keys.publicKey("log"));
    expect(keys.publicKey("issuer").kid).not.toBe(keys.publicKey("log").kid);
    const bytes = Buffer.from("text");
    const spki = createPublicKey({
      key: Buffer.from(keys.publicKey("log").spkiDer),
      format: "der",
      type: "spki",
    });
    expect(verify(null, bytes, spki, keys.sign("log", bytes))).toBe(true);
    expect(verify(null, bytes, spki, keys.sign("issuer", bytes))).toBe(false);
    expect(await store.list(signingKeyTable, { index: "key", limit: 10 })).toHaveLength(3);
  });

  it("made by two nodes at once are one", async () => {
    const database = new MemoryDatabase([...keyTables]);
    const clock = new ManualClock();
    const store = openMemoryStore({ tables: keyTables, clock, database });
    await store.start();
    const [a, b] = [1, 2].map((seed) => new Keys({ store, random: seededRandom(seed), clock, kek: kekA }));
    await Promise.all([a?.start(), b?.start()]);
    expect(a?.publicKey("log").kid).toBe(b?.publicKey("log").kid);
  });

  it("cannot be used before start or after stop", async () => {
    const { keys } = await opened();
    await keys.stop();
    await keys.stop();
    expect(() => keys.sign("log", Buffer.from("x"))).toThrow("before start or after stop");
  });

  it("whose stored bytes were changed stop the start", async () => {
    const { make, store } = await opened();
    const row = await store.get(signingKeyTable, { name: "log" });
    const wrapped = Buffer.from(row?.wrapped ?? []);
    wrapped[20] = (wrapped[20] ?? 0) ^ 1;
    await store.commit([
      { op: "update", table: "key_signing", key: { name: "log" }, expect: {}, set: { wrapped } },
    ]);
    await expect(make().start()).rejects.toThrow("was changed");
  });
});
