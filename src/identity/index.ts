/**
 * identity: turns a credential into a `Principal`, and owns tenants, agents, people, services, their roles, API keys and the
 * built-in token issuer. Never authorises: what a principal may do is policy's to say.
 *
 * A credential is an API key (`sbk_…`, kept as a hash, shown once) or a token of the built-in issuer (EdDSA JWT, an hour by
 * default, a day at most). A token ends by its expiry, by its principal being disabled, or by `revokeTokens`, which raises the
 * principal's epoch; a key ends by its expiry or by being revoked. On this node that takes effect with the next request; other
 * nodes follow the change log and see it within 1 s. Foreign issuers come in through `Issuer`.
 *
 * A token is made for one resource (`aud`) and refused everywhere else; it may be limited to scopes, which whoever serves a request
 * asks for with `isInScope`.
 *
 * Verbs return a `Change`: writes guarded by the principal's version (a lost race is a conflict), and `applied`, which brings
 * memory up to date once they are durable. Reads and verbs see the actor's tenant only; anything else looks missing.
 *
 * Identities: TenantId, PrincipalId (`agent/agt_…`), ApiKeyId (`key_…`). Bounds: limits.ts (100,000 principals, 1,000 tenants, 32
 * roles and 16 keys each, 2 x 16,384 remembered tokens, tokens of 8,192 characters). Errors: refusals `unauthenticated`,
 * `token-expired`, `principal-disabled`, `queue-full`, `not-found`, `conflict`, `forbidden`, `invalid-params`; a Fault of the
 * store when it cannot be read. Signals: none; `stats()` for gauges.
 */
export type { KeyHolding } from "./api-key-holder.ts";
export type { IssuedApiKey, NewApiKey } from "./api-keys.ts";
export type { IssuedToken, Jwks, Signer } from "./built-in-issuer.ts";
export { Identities } from "./identities.ts";
export type { IdentitiesOptions, IdentityStats, ListPrincipals } from "./identities.ts";
export type { Directory, Standing } from "./directory.ts";
export type { Issuer, Subject, VerifiedToken } from "./issuer.ts";
export { tokenTtlMaxMs } from "./limits.ts";
export { namePatternText } from "./names.ts";
export { defaultTenant, isInScope, systemTenant } from "./principal.ts";
export type { Identity, Principal, PrincipalId, PrincipalKind, TenantId } from "./principal.ts";
export type { NewPrincipal } from "./principals.ts";
export type { ApiKeyId, ApiKeyRecord, PrincipalRecord, TenantRecord } from "./records.ts";
export { tokenScopes } from "./scopes.ts";
export type { TokenScope } from "./scopes.ts";
export { identityTables } from "./tables.ts";
export { adminName } from "./tenants.ts";
export type { Bootstrap, NewTenant } from "./tenants.ts";
