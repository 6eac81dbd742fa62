import type { Sha256Hex, StoreMs } from "../base/index.ts";
import { msOf, storeMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { RowOf, Store, Write } from "../store/index.ts";
import { insert, remove, update } from "../store/index.ts";
import type { CallId, EntryId, Outcome, RunId } from "./shapes.ts";
import { claimTable } from "./tables.ts";

/** Where a claim lives inside a tenant: a step of a run, or a principal's key. */
export interface ClaimPlace {
  readonly scope: `run:${string}` | `key:${string}`;
  readonly name: string;
}

export const stepPlace = (run: RunId, step: string): ClaimPlace => ({ scope: `run:${run}`, name: step });
/** `owner` is the principal with its whole chain, from `ownerOf`. */
export const keyPlace = (owner: string, key: string): ClaimPlace => ({
  scope: `key:${owner}`,
  name: key,
});

/** How long a bare key is remembered. */
export const keyKeptMs = 24 * 3_600_000;

/**
 *  open      its call waits or is dispatched
 *  final     `outcomeEntry` is what recall answers
 *  released  it ended without effect: the same step and digest may enter again with a new call
 */
export type ClaimState = "open" | "final" | "released";

export interface Claim {
  readonly tenant: TenantId;
  readonly place: ClaimPlace;
  /** Of a local step: its step id, which takes the place of a call's. */
  readonly call: CallId;
  readonly stepDigest: Sha256Hex;
  readonly state: ClaimState;
  /** null while open. */
  readonly outcomeEntry: EntryId | null;
  /** null for steps: they live as long as their run. */
  readonly expiresAt: StoreMs | null;
}

export interface NewClaim {
  readonly tenant: TenantId;
  readonly place: ClaimPlace;
  readonly call: CallId;
  readonly stepDigest: Sha256Hex;
  readonly expiresAt: StoreMs | null;
}

/**
 * Claims a place for a call. `previous` is what `readClaim` found: null, or a claim that `mayReclaim` allows to replace. Fails
 * when somebody else claimed it meanwhile: read again.
 */
export function claim(next: NewClaim, previous: Claim | null): Write {
  const key = keyOf(next.tenant, next.place);
  const held = {
    call: next.call,
    stepDigest: next.stepDigest,
    state: "open",
    outcomeEntry: null,
    expiresAt: next.expiresAt === null ? null : msOf(next.expiresAt),
  };
  if (previous === null) return insert(claimTable, { ...key, ...held });
  return update(claimTable, key, held, { call: previous.call, state: previous.state });
}

/**
 * Claims a place that nothing stands at for what is done already: the entry goes into the same transaction. Fails when somebody was
 * faster, whose record counts then.
 */
export const claimFinal = (next: Omit<NewClaim, "expiresAt">, entry: EntryId): Write =>
  insert(claimTable, {
    ...keyOf(next.tenant, next.place),
    call: next.call,
    stepDigest: next.stepDigest,
    state: "final",
    outcomeEntry: entry,
    expiresAt: null,
  });

/** Released with the same digest, or past its time and no longer open. The store clock decides. */
export function mayReclaim(found: Claim, stepDigest: Sha256Hex, now: StoreMs): boolean {
  if (found.state === "open") return false;
  if (isExpired(found, now)) return true;
  return found.state === "released" && found.stepDigest === stepDigest;
}

export const isExpired = (found: Claim, now: StoreMs): boolean =>
  found.expiresAt !== null && msOf(found.expiresAt) <= msOf(now);

/**
 * A call that ended: `succeeded` and `unknown` bind the place, `failed` and `refused` free it. `keptUntil` is for a key whose call took
 * long, so that it is remembered for its time from then on. Fails when another call holds it.
 */
export function settleClaim(
  tenant: TenantId,
  place: ClaimPlace,
  call: CallId,
  outcome: Outcome["kind"],
  entry: EntryId,
  keptUntil: StoreMs | null = null,
): Write {
  const state = bindsStep(outcome) ? "final" : "released";
  const kept = keptUntil === null ? {} : { expiresAt: msOf(keptUntil) };
  return update(
    claimTable,
    keyOf(tenant, place),
    { state, outcomeEntry: entry, ...kept },
    { call, state: "open" },
  );
}

/** An `unknown` that was resolved: `final` under the resolving entry, or `released` for a retry. */
export function resettleClaim(
  tenant: TenantId,
  place: ClaimPlace,
  call: CallId,
  state: "final" | "released",
  entry: EntryId,
): Write {
  return update(claimTable, keyOf(tenant, place), { state, outcomeEntry: entry }, { call, state: "final" });
}

export function bindsStep(outcome: Outcome["kind"]): boolean {
  switch (outcome) {
    case "succeeded":
    case "unknown":
      return true;
    case "failed":
    case "refused":
      return false;
  }
}

type Reader = Pick<Store, "get" | "list">;

export async function readClaim(store: Reader, tenant: TenantId, place: ClaimPlace): Promise<Claim | null> {
  const row = await store.get(claimTable, keyOf(tenant, place));
  return row === null ? null : claimOf(row);
}

/** The steps of a run by name, ascending; page with `after`. */
export async function claimsOfRun(
  store: Reader,
  tenant: TenantId,
  run: RunId,
  page: { readonly after?: string; readonly limit: number },
): Promise<readonly Claim[]> {
  const rows = await store.list(claimTable, {
    index: "key",
    equals: { tenant, scope: stepPlace(run, "").scope },
    ...(page.after === undefined ? {} : { after: page.after }),
    limit: page.limit,
  });
  return rows.map(claimOf);
}

/** Removes up to `limit` claims past their time, for housekeeping. An open one stays: its call still has to end. */
export async function expiredClaims(store: Reader, now: StoreMs, limit: number): Promise<readonly Write[]> {
  const rows = await store.list(claimTable, { index: "expiry", from: 0, upTo: msOf(now), limit });
  return rows
    .map(claimOf)
    .filter((found) => found.state !== "open")
    .map((found) =>
      remove(claimTable, keyOf(found.tenant, found.place), { call: found.call, state: found.state }),
    );
}

const keyOf = (tenant: TenantId, place: ClaimPlace) => ({ tenant, scope: place.scope, name: place.name });

// The casts name what `claim` wrote: the store gives back what it was given.
const claimOf = (row: RowOf<typeof claimTable.columns>): Claim => ({
  tenant: row.tenant as TenantId,
  place: { scope: row.scope as ClaimPlace["scope"], name: row.name },
  call: row.call as CallId,
  stepDigest: row.stepDigest as Sha256Hex,
  state: row.state as ClaimState,
  outcomeEntry: row.outcomeEntry as EntryId | null,
  expiresAt: row.expiresAt === null ? null : storeMs(row.expiresAt),
});
