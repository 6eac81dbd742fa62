/**
 * keys: key-encryption keys, data keys per scope, seal and open, signing keys, rotation. Never knows what it seals.
 *
 * Identities: the id of a key-encryption key (a hash of it), of a scope's key (random) and of a signing key (`kid`). Promises: a
 * scope's key is durable before, or with, the first that is sealed under it; a destroyed key is never made again; private keys do not leave.
 * Bounds: 12,000 unwrapped scope keys, scopes of 512 characters, 16 GiB per stream of a key. Errors: Fault `config-invalid` (the KEK is
 * not this data's), `erased`, `internal` (sealed bytes were changed), and those of the store. Signals: none.
 *
 * A scope's key: none, made at first use, perhaps rewrapped, erased; used again, it is another key.
 */
export type { DataKey } from "./data-key.ts";
export { Keys } from "./keys.ts";
export type { KeysOptions } from "./keys.ts";
export { storedPublicKey } from "./signing-keys.ts";
export type { PublicKey, SigningKeyName } from "./signing-keys.ts";
export { keyTables } from "./tables.ts";
