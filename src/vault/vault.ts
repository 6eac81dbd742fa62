import type { Clock, MonotonicMs, Result, WallMs } from "../base/index.ts";
import { Fault, RecentMap, elapsedMs, msOf, ok, plusMs, refuse, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { DataKey, Keys } from "../keys/index.ts";
import type { Change, RowOf, Store } from "../store/index.ts";
import { insert, remove, update } from "../store/index.ts";
import { KnownSecrets } from "./known-secrets.ts";
import { Secret } from "./secret.ts";
import { secretTable, valueTable } from "./tables.ts";

/** Headers and environment variables name them; more in one tenant is a sign of something else being stored. */
export const secretsPerTenantMax = 1_000;
/** A service account's JSON is about 2.5 KB, a chain of certificates about 10 KB. */
export const secretBytesMax = 64 * 1024;
/** All of a tenant's secrets and as many former values again. */
const knownSecretsMax = 2_000;
/** A value replaced on another node is used here for at most this long. */
const revealedForMs = 1_000;
/** Revealed values at hand, over all tenants; the oldest goes first. With `secretBytesMax` this could be 64 MB, in practice under 1. */
const revealedMax = 1_024;

/** Every name that a server's settings may refer to is one of these; see the registry. */
const namePattern = /^[A-Za-z0-9._-]{1,128}$/;

/** No setting can refer to such a name: see `vaultNamePattern` of the registry. */
export const ownNamePrefix = "_signalbox.";

export interface VaultOptions {
  readonly store: Store;
  readonly keys: Pick<Keys, "scopeKey" | "seal" | "open">;
  readonly clock: Clock;
}

/** What may be said about a secret. */
export interface SecretRecord {
  readonly tenant: TenantId;
  readonly name: string;
  readonly version: number;
  readonly createdAt: WallMs;
  readonly updatedAt: WallMs;
}

interface Revealed {
  readonly value: Secret;
  readonly until: MonotonicMs;
}

export class Vault {
  private readonly store: Store;
  private readonly keys: VaultOptions["keys"];
  private readonly clock: Clock;
  private readonly revealed = new RecentMap<string, Revealed>(revealedMax);
  private forgotten = 0;
  private readonly known = new KnownSecrets(knownSecretsMax);

  constructor({ store, keys, clock }: VaultOptions) {
    this.store = store;
    this.keys = keys;
    this.clock = clock;
  }

  /** Nothing to open; there for the symmetry of rooms. */
  async start(): Promise<void> {}

  /** Forgets every value. */
  async stop(): Promise<void> {
    this.revealed.clear();
    this.known.clear();
  }

  /** A new secret, or a new value of one. The change's writes hold the value sealed. */
  async put(tenant: TenantId, name: string, value: string): Promise<Result<Change<SecretRecord>>> {
    const problem = isOwnName(name) ? ownNameProblem : problemOf(name, value);
    if (problem !== null) return refuse({ code: "invalid-params", detail: problem });
    return this.change(tenant, name, value, await this.store.get(secretTable, { tenant, name }));
  }

  /**
   * What Signalbox keeps for itself (a server's tokens), under a name that begins with `ownNamePrefix`, which no setting can refer to and no
   * caller can put. `before` is the version it replaces, null = none; anything else is refused as a conflict.
   */
  async putOwn(
    tenant: TenantId,
    name: string,
    value: string,
    before: number | null,
  ): Promise<Result<Change<SecretRecord>>> {
    const problem = isOwnName(name) ? problemOf(name, value) : ownNameProblem;
    if (problem !== null) return refuse({ code: "invalid-params", detail: problem });
    const row = await this.store.get(secretTable, { tenant, name });
    if ((row?.version ?? null) !== before) {
      return refuse({ code: "conflict", detail: "It was changed by somebody else at the same moment." });
    }
    return this.change(tenant, name, value, row);
  }

  /** null = there is none. Unlike `reveal`, neither kept at hand nor made known to screening; `learn` does that for its parts. */
  async own(
    tenant: TenantId,
    name: string,
  ): Promise<{ readonly text: string; readonly version: number } | null> {
    const row = await this.store.get(valueTable, { tenant, name });
    if (row === null) return null;
    const { version } = row;
    const opened = this.keys.open(await this.scopeKey(tenant), row.sealed, boundTo(tenant, name, version));
    return { text: Buffer.from(opened).toString(), version };
  }

  /** Secrets that are part of one of our own: known to screening from now on, in place of those before the last of the same name. */
  learn(tenant: TenantId, name: string, values: readonly string[]): void {
    this.known.replace(tenant, name, values);
  }

  private async change(
    tenant: TenantId,
    name: string,
    value: string,
    before: SecretRow | null,
  ): Promise<Result<Change<SecretRecord>>> {
    if (before === null && (await this.isFull(tenant))) {
      return refuse({ code: "conflict", detail: `The tenant already has ${secretsPerTenantMax} secrets.` });
    }
    const version = (before?.version ?? 0) + 1;
    const now = this.clock.wall();
    const sealed = this.keys.seal(await this.scopeKey(tenant), value, boundTo(tenant, name, version));
    const createdAt = before?.createdAt ?? msOf(now);
    const writes =
      before === null
        ? [
            insert(secretTable, { tenant, name, version, createdAt, updatedAt: msOf(now) }),
            insert(valueTable, { tenant, name, version, sealed }),
          ]
        : [
            update(
              secretTable,
              { tenant, name },
              { version, updatedAt: msOf(now) },
              { version: before.version },
            ),
            update(valueTable, { tenant, name }, { version, sealed }, { version: before.version }),
          ];
    const record = { tenant, name, version, createdAt: wallMs(createdAt), updatedAt: now };
    return ok({ writes, value: record, applied: () => this.forget(tenant, name) });
  }

  async remove(tenant: TenantId, name: string): Promise<Result<Change<SecretRecord>>> {
    if (isOwnName(name)) return refuse({ code: "invalid-params", detail: ownNameProblem });
    return this.removeOwn(tenant, name);
  }

  async removeOwn(tenant: TenantId, name: string): Promise<Result<Change<SecretRecord>>> {
    const row = await this.store.get(secretTable, { tenant, name });
    if (row === null) return refuse({ code: "not-found", detail: "There is no such secret." });
    const { version } = row;
    return ok({
      writes: [
        remove(secretTable, { tenant, name }, { version }),
        remove(valueTable, { tenant, name }, { version }),
      ],
      value: recordOf(row),
      applied: () => this.forget(tenant, name),
    });
  }

  /** In order of name; never values. */
  async list(tenant: TenantId): Promise<readonly SecretRecord[]> {
    const rows = await this.store.list(secretTable, {
      index: "key",
      equals: { tenant },
      limit: secretsPerTenantMax * 2, // nodes write beside each other
    });
    return rows.map(recordOf);
  }

  /**
   * The value, for the moment of use. Throws Fault `config-invalid` when there is none by that name, `erased` or `internal` when
   * it cannot be opened; the message names the secret and what to do, never the value.
   */
  async reveal(tenant: TenantId, name: string): Promise<string> {
    const at = placeOf(tenant, name);
    const hit = this.revealed.get(at);
    if (hit !== undefined && elapsedMs(hit.until, this.clock.monotonic()) > 0) return hit.value.reveal();
    const { forgotten } = this;
    const row = await this.store.get(valueTable, { tenant, name });
    if (row === null) {
      this.forget(tenant, name);
      throw new Fault(
        "config-invalid",
        `the vault of tenant ${tenant} has no secret "${name}"; put it there with: signalbox vault put ${name}`,
        { effect: "none", evidence: { tenant, secret: name } },
      );
    }
    const opened = this.keys.open(
      await this.scopeKey(tenant),
      row.sealed,
      boundTo(tenant, name, row.version),
    );
    const value = Buffer.from(opened).toString();
    // A value replaced while we opened the old one must not be used again.
    if (forgotten === this.forgotten) this.remember(at, value);
    this.known.add(tenant, value);
    return value;
  }

  /** Values this process has revealed, for `screening`. The same array until one is added. */
  knownSecrets(tenant: TenantId): readonly string[] {
    return this.known.of(tenant);
  }

  private scopeKey(tenant: TenantId): DataKey | Promise<DataKey> {
    return this.keys.scopeKey(`vault/${tenant}`);
  }

  private async isFull(tenant: TenantId): Promise<boolean> {
    const rows = await this.store.list(secretTable, {
      index: "key",
      equals: { tenant },
      limit: secretsPerTenantMax,
    });
    return rows.length >= secretsPerTenantMax;
  }

  private remember(at: string, value: string): void {
    const until = plusMs(this.clock.monotonic(), revealedForMs);
    this.revealed.set(at, { value: new Secret(value), until });
  }

  private forget(tenant: TenantId, name: string): void {
    this.forgotten++;
    this.revealed.delete(placeOf(tenant, name));
  }
}

type SecretRow = RowOf<(typeof secretTable)["columns"]>;

const isOwnName = (name: string): boolean => name.startsWith(ownNamePrefix);
const ownNameProblem = `Names that begin with ${ownNamePrefix} are Signalbox's own.`;

/** Null = acceptable. Never quotes the value. */
function problemOf(name: string, value: string): string | null {
  if (!namePattern.test(name)) return "The name of a secret must be 1-128 characters of A-Z a-z 0-9 . _ -";
  if (value.length === 0) return `The secret "${name}" is empty.`;
  const bytes = Buffer.byteLength(value);
  if (bytes > secretBytesMax) return `The secret "${name}" is ${bytes} bytes; ${secretBytesMax} are allowed.`;
  // Neither fits into an environment variable or a header, and what was stored would not be what is revealed.
  if (value.includes("\0") || !value.isWellFormed()) {
    return `The secret "${name}" contains a zero byte or is not well-formed text.`;
  }
  return null;
}

function recordOf(row: {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}): SecretRecord {
  return {
    tenant: row.tenant as TenantId,
    name: row.name,
    version: row.version,
    createdAt: wallMs(row.createdAt),
    updatedAt: wallMs(row.updatedAt),
  };
}

/** A sealed value opens only in its own place: another tenant's, name's or version's bytes do not. */
const boundTo = (tenant: TenantId, name: string, version: number): string =>
  `vault/${tenant}/${name}/${version}`;

// Neither contains a slash.
const placeOf = (tenant: TenantId, name: string): string => `${tenant}/${name}`;
