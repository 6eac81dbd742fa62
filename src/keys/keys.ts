import type { Clock, Random } from "../base/index.ts";
import type { Change, Store } from "../store/index.ts";
import type { DataKey } from "./data-key.ts";
import { KekRing } from "./kek-ring.ts";
import { rewrapped } from "./rewrap.ts";
import { ScopeKeys } from "./scope-keys.ts";
import { isSealedBy, open, seal } from "./seal.ts";
import type { PublicKey, SigningKeyName } from "./signing-keys.ts";
import { SigningKeys } from "./signing-keys.ts";

export interface KeysOptions {
  readonly store: Store;
  readonly random: Random;
  readonly clock: Clock;
  /** 32 bytes, from outside the store. */
  readonly kek: Uint8Array;
  /** Keys an unfinished rotation may still need for reading. */
  readonly previousKeks?: readonly Uint8Array[];
}

/** The room's one object. `start` after the store's; before it only `stop`, and `check`, after which it opens what is sealed and no more. */
export class Keys {
  private readonly options: KeysOptions;
  private readonly ring: KekRing;
  private readonly scopes: ScopeKeys;
  private readonly signing = new SigningKeys();

  constructor(options: KeysOptions) {
    this.options = options;
    this.ring = new KekRing(options.kek, options.previousKeks ?? []);
    this.scopes = new ScopeKeys({ ...options, ring: this.ring });
  }

  /** Makes the signing keys on the first start. Rejects with `config-invalid` when the KEK is not this data's. */
  async start(): Promise<void> {
    await this.check();
    await this.signing.load({ ...this.options, ring: this.ring });
  }

  /** Rejects like `start`, and makes nothing: enough for whoever only opens what is sealed. */
  async check(): Promise<void> {
    await this.ring.check(this.options.store);
  }

  /** Forgets all keys. Safe to call twice. */
  async stop(): Promise<void> {
    this.scopes.clear();
    this.signing.clear();
  }

  /** The key of a scope, durable before it is returned. Not a promise when it is cached. */
  scopeKey(scope: string): DataKey | Promise<DataKey> {
    return this.scopes.get(scope);
  }

  /**
   * The key of a scope that nobody can have used, because its name was drawn just now. It becomes durable in the transaction that seals
   * under it first, which fails if the scope has a key after all.
   */
  newScopeKey(scope: string): Change<DataKey> {
    return this.scopes.makeNew(scope);
  }

  /** Nobody is going to seal under this scope's key for a while: its place in the cache becomes small. At any time, more than once. */
  rest(scope: string): void {
    this.scopes.rest(scope);
  }

  /**
   * The store has become another one, which may lack keys that were read: each is read, or made, anew. What is sealed under one that only
   * this process knows could never be read again.
   */
  readAnew(): void {
    this.scopes.clear();
  }

  /** Null when the scope has no key: never used, or erased. Makes none. */
  existingScopeKey(scope: string): Promise<DataKey | null> {
    return this.scopes.existing(scope);
  }

  /** Self-contained bytes. `aad` says what they belong to and must be given again to open them. */
  seal(key: DataKey, plaintext: Uint8Array | string, aad: string): Uint8Array {
    return seal(key, plaintext, aad);
  }

  /** Throws Fault `erased` (sealed by a destroyed key of this scope) or `internal` (changed, moved, cut). */
  open(key: DataKey, sealed: Uint8Array, aad: string): Uint8Array {
    return open(key, sealed, aad);
  }

  isSealedBy(key: DataKey, sealed: Uint8Array): boolean {
    return isSealedBy(key, sealed);
  }

  /** HMAC-SHA256 under a key derived from the scope's. */
  hmac(key: DataKey, bytes: Uint8Array | string): Buffer {
    return key.mac.digest(bytes);
  }

  /**
   * Destroys a scope's key once the change is committed. Work already in flight may still seal under it on this node until
   * `applied`, and on others until their cache lets go: such bytes are erased from birth.
   */
  eraseScope(scope: string): Promise<Change<void>> {
    return this.scopes.erase(scope);
  }

  /** Ed25519. */
  sign(name: SigningKeyName, bytes: Uint8Array): Uint8Array {
    return this.signing.sign(name, bytes);
  }

  publicKey(name: SigningKeyName): PublicKey {
    return this.signing.publicKey(name);
  }

  /**
   * Changes that put everything under a new key-encryption key, at most 256 rows each; the value counts them. Commit each before
   * asking for the next. New keys are wrapped by the new one at once, so both must be kept until the last change is through;
   * broken off, it goes on where it was when called again.
   */
  rewrap(newKek: Uint8Array): AsyncGenerator<Change<number>> {
    return rewrapped(newKek, this.ring, this.options);
  }
}
