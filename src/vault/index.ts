/**
 * vault: named secrets per tenant, sealed under the tenant's own key (scope `vault/<tenant>`). Gives a value only to who asks for
 * it by name at the moment of use; never lists, logs or repeats one.
 *
 * Verbs return a `Change` guarded by the secret's version. A revealed value is at hand for 1 s, on this node no longer than until
 * it is replaced; values once revealed stay known to `screening` until the process ends.
 *
 * Signalbox keeps secrets of its own there too (tokens of servers), under names that nobody else can put or refer to.
 *
 * Identities: (tenant, name), names 1-128 of `[A-Za-z0-9._-]`; versions only grow while the secret is there. Bounds: 1,000 secrets
 * per tenant, 64 KiB each, 1,024 values at hand, 2,000 known values per tenant. Errors: refusals `invalid-params`, `conflict`,
 * `not-found`; Fault `config-invalid` when a secret is missing, and those of `keys` and `store`. Signals: none.
 */
export { Secret } from "./secret.ts";
export { vaultTables } from "./tables.ts";
export { ownNamePrefix, secretBytesMax, secretsPerTenantMax, Vault } from "./vault.ts";
export type { SecretRecord, VaultOptions } from "./vault.ts";
