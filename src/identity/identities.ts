import type { CancelTimer, Clock, Random, Result } from "../base/index.ts";
import { Fault, invariant, ok, OneAtATime, refuse } from "../base/index.ts";
import type { Change, LogPlace, Store } from "../store/index.ts";
import type { KeyHolding } from "./api-key-holder.ts";
import { holdingOfId, holdingOfSecret } from "./api-key-holder.ts";
import type { IssuedApiKey, NewApiKey } from "./api-keys.ts";
import { issueApiKey, revokeApiKey } from "./api-keys.ts";
import { Authenticator } from "./authenticate.ts";
import type { IssuedToken, Jwks, Signer } from "./built-in-issuer.ts";
import { BuiltInIssuer } from "./built-in-issuer.ts";
import type { Ground } from "./changes.ts";
import { standingFor } from "./changes.ts";
import { Directory } from "./directory.ts";
import type { Issuer } from "./issuer.ts";
import { listLimitMax, refreshEveryMs, tokenTtlDefaultMs, tokenTtlMaxMs, tokenTtlMinMs } from "./limits.ts";
import type { Principal, PrincipalId, PrincipalKind, TenantId } from "./principal.ts";
import type { NewPrincipal } from "./principals.ts";
import { createPrincipal, disable, enable, revokeTokens, setRoles } from "./principals.ts";
import { loadDirectory, readChanges } from "./read-store.ts";
import type { ApiKeyId, ApiKeyRecord, PrincipalRecord, TenantRecord } from "./records.ts";
import { principalFromRow, publicKeyRecord } from "./records.ts";
import { noSuch, principalDisabled } from "./refusals.ts";
import type { TokenScope } from "./scopes.ts";
import { principalTable } from "./tables.ts";
import type { Bootstrap, NewTenant } from "./tenants.ts";
import { bootstrap, createTenant, nodeName } from "./tenants.ts";

export interface IdentitiesOptions {
  readonly store: Store;
  readonly keys: Signer;
  readonly clock: Clock;
  readonly random: Random;
  /** `iss` of our tokens. Tokens of another installation fail at its key, whatever it calls itself. */
  readonly issuer?: string;
  /** `aud` of our tokens: the address of what they open (RFC 8707). A token for anything else is refused. */
  readonly audience?: string;
  /** How long a token is good when whoever asks for it does not say. */
  readonly tokenTtlMs?: number;
  /** Other sources of tokens, beside the built-in one. */
  readonly foreignIssuers?: readonly Issuer[];
  /** The store has forgotten changes that were followed here: only a new start knows what it holds. May be called again. */
  readonly onForgotten?: () => void;
}

export interface IdentityStats {
  readonly tenants: number;
  readonly principals: number;
  readonly apiKeys: number;
  readonly cachedTokens: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  /** Looks at the store that failed since the last one that worked: above 0, revocations by other nodes may be missed. */
  readonly refreshesFailed: number;
}

export interface ListPrincipals {
  readonly kind: PrincipalKind;
  /** The last name of the page before. */
  readonly after?: string;
  readonly limit?: number;
}

/** The room's one object. Verbs return changes and commit nothing; what they read is this node's memory. */
export class Identities {
  /** How long a token is good when whoever asks for it does not say. */
  readonly tokenTtlMs: number;
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly directory = new Directory();
  private readonly ground: Ground;
  private readonly builtIn: BuiltInIssuer;
  private readonly authenticator: Authenticator;
  private readonly onForgotten: () => void;
  private place: LogPlace = null;
  private readonly looks = new OneAtATime(() => this.readOnce());
  private refreshesFailed = 0;
  private stopPolling: CancelTimer | null = null;
  private isRunning = false;

  constructor(options: IdentitiesOptions) {
    const { store, keys, clock, random, issuer = "signalbox", audience = "signalbox" } = options;
    this.store = store;
    this.onForgotten = options.onForgotten ?? (() => undefined);
    this.clock = clock;
    this.tokenTtlMs = options.tokenTtlMs ?? tokenTtlDefaultMs;
    this.ground = { clock, random, directory: this.directory };
    this.builtIn = new BuiltInIssuer({ issuer, audience, signer: keys, clock, random });
    const issuers = [this.builtIn, ...(options.foreignIssuers ?? [])];
    invariant(
      new Set(issuers.map((each) => each.issuer)).size === issuers.length,
      "two token issuers have the same name",
    );
    const refresh = () => this.refreshIfChanged();
    this.authenticator = new Authenticator({ clock, directory: this.directory, issuers, refresh });
  }

  /** Reads everything, then follows what other nodes change. The store must be started. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    this.directory.clear();
    this.place = await loadDirectory(this.store, this.directory);
    await this.refreshIfChanged(); // what changed while it was read
    this.isRunning = true;
    this.poll();
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    this.stopPolling?.();
    this.stopPolling = null;
    await this.looks.idle();
    this.authenticator.clear();
  }

  // Who is asking.

  /** Synchronous for keys and remembered tokens. `token` is what stands after "Bearer ". */
  authenticate(token: string): Result<Principal> | Promise<Result<Principal>> {
    return this.authenticator.holderOf(token)();
  }

  /** `authenticate` for who asks again and again about the same token. */
  holderOf(token: string): () => Result<Principal> | Promise<Result<Principal>> {
    return this.authenticator.holderOf(token);
  }

  /** Whose API key this is; a token, however good, is none. Synchronous, as for every key. */
  keyHolding(secret: string): Result<KeyHolding> {
    return holdingOfSecret(this.ground, secret);
  }

  /** The same of a key that `keyHolding` has known before, as it stands now. */
  keyHeld(before: Parameters<typeof holdingOfId>[1]): Result<KeyHolding> {
    return holdingOfId(this.ground, before);
  }

  /** The principal of a record as it stands now, for work that returns by itself; refused when it was disabled since. */
  recorded(tenant: TenantId, id: PrincipalId): Result<Principal> {
    const standing = this.directory.standing(id);
    if (standing === null || standing.record.tenant !== tenant) return noSuch("principal");
    return standing.record.enabled ? standing.answer : principalDisabled;
  }

  /** What people call this principal, also when it is disabled; null = there is none in this tenant. */
  nameOf(tenant: TenantId, id: PrincipalId): string | null {
    const standing = this.directory.standing(id);
    return standing === null || standing.record.tenant !== tenant ? null : standing.record.name;
  }

  /** The service principal under which this installation itself acts in a tenant. */
  node(tenant: TenantId): Result<Principal> {
    const standing = this.directory.named(tenant, "service", nodeName);
    return standing === null ? noSuch("tenant") : standing.answer;
  }

  jwks(): Jwks {
    return this.builtIn.jwks();
  }

  // Verbs. Each returns a change for its caller to commit together with the ledger entry.

  bootstrap(): Result<Change<Bootstrap>> {
    return bootstrap(this.ground);
  }
  createTenant(actor: Principal, name: string): Result<Change<NewTenant>> {
    return createTenant(this.ground, actor, name);
  }
  createAgent(actor: Principal, agent: NewPrincipal): Result<Change<PrincipalRecord>> {
    return createPrincipal(this.ground, actor, "agent", agent);
  }
  createPerson(actor: Principal, person: NewPrincipal): Result<Change<PrincipalRecord>> {
    return createPrincipal(this.ground, actor, "person", person);
  }
  createService(actor: Principal, service: NewPrincipal): Result<Change<PrincipalRecord>> {
    return createPrincipal(this.ground, actor, "service", service);
  }
  setRoles(actor: Principal, id: PrincipalId, roles: readonly string[]): Result<Change<PrincipalRecord>> {
    return setRoles(this.ground, actor, id, roles);
  }
  disable(actor: Principal, id: PrincipalId): Result<Change<PrincipalRecord>> {
    return disable(this.ground, actor, id);
  }
  enable(actor: Principal, id: PrincipalId): Result<Change<PrincipalRecord>> {
    return enable(this.ground, actor, id);
  }
  /** The change's value holds the key itself, this once. */
  issueApiKey(actor: Principal, id: PrincipalId, key: NewApiKey): Result<Change<IssuedApiKey>> {
    return issueApiKey(this.ground, actor, id, key);
  }
  revokeApiKey(actor: Principal, id: PrincipalId, key: ApiKeyId): Result<Change<ApiKeyRecord>> {
    return revokeApiKey(this.ground, actor, id, key);
  }
  revokeTokens(
    actor: Principal,
    id: PrincipalId,
    options: { readonly keys: boolean } = { keys: false },
  ): Result<Change<PrincipalRecord>> {
    return revokeTokens(this.ground, actor, id, options);
  }

  /** `askedTtlMs` null = as configured; `scopes` null = not limited. Writes nothing: a token is known by its signature, and ended by its expiry or its principal's epoch. */
  issueToken(
    actor: Principal,
    id: PrincipalId,
    askedTtlMs: number | null = null,
    scopes: readonly TokenScope[] | null = null,
  ): Result<IssuedToken> {
    const ttlMs = askedTtlMs ?? this.tokenTtlMs;
    const found = standingFor(this.directory, actor, id);
    if (!found.ok) return found;
    if (!found.value.record.enabled) {
      return refuse({ code: "conflict", detail: "The principal is disabled. Enable it first." });
    }
    if (!(ttlMs >= tokenTtlMinMs && ttlMs <= tokenTtlMaxMs)) {
      return refuse({
        code: "invalid-params",
        detail: `A token lives between ${tokenTtlMinMs} and ${tokenTtlMaxMs} ms; ${ttlMs} was asked for.`,
      });
    }
    return ok(this.builtIn.issue(found.value.record, ttlMs, scopes));
  }

  // Reads, for the actor's tenant only.

  /** By name or by id; names have no slash and ids do. */
  find(actor: Principal, kind: PrincipalKind, nameOrId: string): Result<PrincipalRecord> {
    const standing = nameOrId.includes("/")
      ? this.directory.standing(nameOrId as PrincipalId) // any string may be looked up
      : this.directory.named(actor.tenant, kind, nameOrId);
    const isTheirs = standing?.record.tenant === actor.tenant && standing.record.kind === kind;
    return isTheirs ? ok(standing.record) : noSuch(kind);
  }

  /** In order of name, from the store. */
  async list(actor: Principal, options: ListPrincipals): Promise<readonly PrincipalRecord[]> {
    const rows = await this.store.list(principalTable, {
      index: "name",
      equals: { tenant: actor.tenant, kind: options.kind },
      ...(options.after === undefined ? {} : { after: options.after }),
      limit: Math.max(1, Math.min(options.limit ?? listLimitMax, listLimitMax)),
    });
    return rows.map(principalFromRow);
  }

  apiKeys(actor: Principal, id: PrincipalId): Result<readonly ApiKeyRecord[]> {
    const found = standingFor(this.directory, actor, id);
    return found.ok ? ok(found.value.keys.map(publicKeyRecord)) : found;
  }

  /** For the installation's own wiring (what to load at start); never handed to a caller as it is. */
  tenants(): readonly TenantRecord[] {
    return this.directory.allTenants();
  }

  stats(): IdentityStats {
    return {
      tenants: this.directory.tenantCount,
      principals: this.directory.principalCount,
      apiKeys: this.directory.keyCount,
      cachedTokens: this.authenticator.cachedTokens,
      cacheHits: this.authenticator.hits,
      cacheMisses: this.authenticator.misses,
      refreshesFailed: this.refreshesFailed,
    };
  }

  /** Reads what other nodes changed until now. A running room does so by itself every 500 ms. */
  refreshIfChanged(): Promise<void> {
    return this.looks.ask();
  }

  private async readOnce(): Promise<void> {
    try {
      const place = await readChanges(this.store, this.directory, this.place);
      if (place === "forgotten") {
        this.onForgotten();
        throw new Fault("store-unavailable", "the store has forgotten changes that were followed");
      }
      this.place = place;
      this.refreshesFailed = 0;
    } catch (thrown) {
      this.refreshesFailed++;
      throw thrown;
    }
  }

  private poll(): void {
    if (!this.isRunning) return;
    this.stopPolling = this.clock.after(refreshEveryMs, () => {
      // A failed look is counted and tried again: without a store nothing with an effect happens anyway.
      void this.refreshIfChanged()
        .catch(() => undefined)
        .then(() => this.poll());
    });
  }
}
