import type { Clock, Random } from "../base/index.ts";
import { Fault, RecentMap, invariant, msOf } from "../base/index.ts";
import type { Change, Store } from "../store/index.ts";
import { insert, remove } from "../store/index.ts";
import { keyBytes } from "./aead.ts";
import { DataKey, keyIdBytes } from "./data-key.ts";
import type { KekRing } from "./kek-ring.ts";
import { scopeKeyTable } from "./tables.ts";

/**
 * Runs and principals active at once, with room; half a KB each, and 2 KB more outside the heap for one that has sealed and does not rest.
 * The least recently used goes first.
 */
export const cachedKeysMax = 12_000;

/** Longer than `day/<tenant>/<principal>/<date>` with the longest ids, and short enough for every index. */
const scopeLengthMax = 512;

/** Losing a race twice means the scope is erased and used again in turns; that ends, or somebody is playing. */
const attemptsMax = 4;

/** Data keys by scope: made durable before first use or with it, unwrapped once, kept in a bounded cache. */
export class ScopeKeys {
  private readonly store: Store;
  private readonly ring: KekRing;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly cached = new RecentMap<string, DataKey>(cachedKeysMax);
  private readonly inFlight = new Map<string, Promise<DataKey>>();
  /** Grows with each erasure, and when all are forgotten: a read that began before must not put a destroyed key back. */
  private erasures = 0;

  constructor(options: { store: Store; ring: KekRing; random: Random; clock: Clock }) {
    this.store = options.store;
    this.ring = options.ring;
    this.random = options.random;
    this.clock = options.clock;
  }

  /** Of this scope, made if it has none. A promise only when it is not cached; concurrent first uses share one. */
  get(scope: string): DataKey | Promise<DataKey> {
    const cached = this.cached.use(scope);
    if (cached !== undefined) return cached;
    const running = this.inFlight.get(scope);
    if (running !== undefined) return running;
    checkScope(scope);
    const made = this.readOrMake(scope).finally(() => {
      if (this.inFlight.get(scope) === made) this.inFlight.delete(scope);
    });
    this.inFlight.set(scope, made);
    return made;
  }

  /**
   * For a scope that nobody can have used, because its name was drawn just now: made without looking. It is at hand once its write is
   * durable, which goes into the transaction that seals under it first.
   */
  makeNew(scope: string): Change<DataKey> {
    checkScope(scope);
    const id = Buffer.from(this.random.bytes(keyIdBytes)).toString("hex");
    const secret = this.random.bytes(keyBytes);
    const { erasures } = this;
    const kek = this.ring.current;
    const write = insert(scopeKeyTable, {
      scope,
      id,
      kek: kek.id,
      wrapped: kek.wrap(secret, purposeOf(scope, id), this.random),
      createdAt: msOf(this.clock.wall()),
    });
    const key = new DataKey(scope, id, secret, this.random);
    secret.fill(0);
    return { writes: [write], value: key, applied: () => this.remember(key, erasures) };
  }

  rest(scope: string): void {
    this.cached.get(scope)?.keystream.rest();
  }

  /** Null when the scope has no key: never used, or erased. */
  async existing(scope: string): Promise<DataKey | null> {
    return this.cached.use(scope) ?? (await this.read(scope));
  }

  /** Destroys the wrapped key. What was sealed under it can never be read again; the scope's next use makes another key. */
  async erase(scope: string): Promise<Change<void>> {
    const row = await this.store.get(scopeKeyTable, { scope });
    const forget = () => {
      this.erasures++;
      this.cached.delete(scope);
      this.inFlight.delete(scope);
    };
    if (row === null) return { writes: [], value: undefined, applied: forget };
    return { writes: [remove(scopeKeyTable, { scope }, { id: row.id })], value: undefined, applied: forget };
  }

  /** Also what is being read. */
  clear(): void {
    this.erasures++;
    this.cached.clear();
    this.inFlight.clear();
  }

  private async readOrMake(scope: string): Promise<DataKey> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const key = (await this.read(scope)) ?? (await this.make(scope));
      if (key !== null) return key;
    }
    throw new Fault("store-busy", `no key for scope ${scope}: others kept making and erasing it`);
  }

  private async read(scope: string): Promise<DataKey | null> {
    const { erasures } = this;
    const row = await this.store.get(scopeKeyTable, { scope });
    if (row === null) return null;
    const kek = this.ring.withId(row.kek, "data keys");
    const secret = kek.unwrap(row.wrapped, purposeOf(scope, row.id));
    const key = new DataKey(scope, row.id, secret, this.random);
    secret.fill(0);
    this.remember(key, erasures);
    return key;
  }

  /** Null when somebody else was faster; theirs is the key then. */
  private async make(scope: string): Promise<DataKey | null> {
    const { writes, value, applied } = this.makeNew(scope);
    const { verdict } = await this.store.commit(writes);
    if (verdict === "guard-failed") return null;
    applied();
    return value;
  }

  private remember(key: DataKey, erasuresBefore: number): void {
    if (erasuresBefore === this.erasures) this.cached.set(key.scope, key);
  }
}

function checkScope(scope: string): void {
  invariant(
    scope.length > 0 && scope.length <= scopeLengthMax,
    `scope has ${scope.length} characters; 1 to ${scopeLengthMax}`,
  );
}

/** A wrapped key moved to another scope's row does not open. */
export const purposeOf = (scope: string, id: string): string => `scope ${id} ${scope}`;
