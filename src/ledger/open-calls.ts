import type { Sha256Hex, StoreMs } from "../base/index.ts";
import { msOf, storeMs } from "../base/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";
import type { Row, RowOf, Store, Write } from "../store/index.ts";
import { insert, remove, update } from "../store/index.ts";
import type { ClaimPlace } from "./claims.ts";
import type { CallId, EntryId } from "./shapes.ts";
import { openCallTable } from "./tables.ts";

/**
 *  pending     waits for people to approve it, until `dispatchBy`; no intent, and nothing has been sent
 *  waiting     nothing of it runs: waits for input that its server asked for, until `dispatchBy`
 *  dispatched  the intent is durable; bytes may have left
 *  unknown     bytes left and no valid answer came; bound until resolved
 */
export type OpenCallState = "pending" | "waiting" | "dispatched" | "unknown";

export interface OpenCall {
  readonly call: CallId;
  readonly tenant: TenantId;
  /** The actor, without its chain. */
  readonly principal: PrincipalId;
  readonly subject: string;
  readonly class: "read" | "idempotent" | "verifiable" | "effect";
  readonly state: OpenCallState;
  /** Who works on it; its fence is proved by `closeCall` and `markUnknown`. */
  readonly node: string;
  readonly fence: number;
  /** No byte may leave after this; resolving as "retry" is allowed one lease later. */
  readonly dispatchBy: StoreMs;
  /** Everything else about the call is in this entry; while `pending`, the entry that will be its intent. */
  readonly intentEntry: EntryId;
  readonly stepDigest: Sha256Hex;
  /** null = neither step nor key was given. */
  readonly claim: ClaimPlace | null;
  /**
   * For an unkeyed `effect` call, an HMAC under the tenant's data key over method, server, name and unsalted arguments; else null.
   * While the row stands, an identical call of this principal is refused.
   */
  readonly same: string | null;
}

/** Proof that the caller of a write is still the call's holder. */
export interface Holder {
  readonly node: string;
  readonly fence: number;
}

/** Fails when the call id exists, or an identical unkeyed call of this principal is open or unknown (`identicalOpenCall` finds it). */
export const openCall = (call: OpenCall): Write => insert(openCallTable, rowOf(call));

/** The call is final: also frees `same`. Fails when another node took the call over, or somebody drives it on meanwhile. */
export const closeCall = (
  call: CallId,
  holder: Holder,
  from: Extract<OpenCallState, "waiting" | "dispatched"> = "dispatched",
): Write => remove(openCallTable, { call }, { node: holder.node, fence: holder.fence, state: from });

/** Bytes left and no valid answer came. Also how a node that takes over a dead holder's dispatched call writes it down. */
export const markUnknown = (
  call: CallId,
  holder: Holder,
  from: Extract<OpenCallState, "waiting" | "dispatched"> = "dispatched",
): Write =>
  update(
    openCallTable,
    { call },
    { state: "unknown" },
    { node: holder.node, fence: holder.fence, state: from },
  );

/**
 * Its server asked for input: nothing runs until a caller comes back, or until `waitsUntil`, which takes the place of `dispatchBy`.
 * `freesSame`: its caller may give it up and ask for the same anew, without waiting for the end of this one. Fails when another node
 * took the call over.
 */
export const awaitInput = (call: CallId, holder: Holder, waitsUntil: StoreMs, freesSame: boolean): Write =>
  update(
    openCallTable,
    { call },
    { state: "waiting", dispatchBy: msOf(waitsUntil), ...(freesSame ? { same: null } : {}) },
    { node: holder.node, fence: holder.fence, state: "dispatched" },
  );

/**
 * A waiting call goes on: dispatched from here, under this intent. Fails when somebody else drives it already, also when it has
 * come to wait again meanwhile: `from` is the wait that was read.
 */
export const dispatchWaiting = (
  call: CallId,
  from: Holder & Pick<OpenCall, "dispatchBy">,
  to: Holder,
  next: { readonly dispatchBy: StoreMs; readonly intentEntry: EntryId },
): Write =>
  update(
    openCallTable,
    { call },
    {
      state: "dispatched",
      node: to.node,
      fence: to.fence,
      dispatchBy: msOf(next.dispatchBy),
      intentEntry: next.intentEntry,
    },
    { state: "waiting", node: from.node, fence: from.fence, dispatchBy: msOf(from.dispatchBy) },
  );

/**
 * A call that people have approved, or that policy no longer asks them about, is dispatched from here. `keepsSame`: an identical call
 * stays refused while it is open. Fails when somebody else drives it already, or it has ended.
 */
export const dispatchPending = (
  call: CallId,
  to: Holder,
  next: { readonly dispatchBy: StoreMs; readonly keepsSame: boolean },
): Write =>
  update(
    openCallTable,
    { call },
    {
      state: "dispatched",
      node: to.node,
      fence: to.fence,
      dispatchBy: msOf(next.dispatchBy),
      ...(next.keepsSame ? {} : { same: null }),
    },
    { state: "pending" },
  );

/** It waits anew, for another request of approval. */
export const pendAnew = (call: CallId, until: StoreMs): Write =>
  update(openCallTable, { call }, { dispatchBy: msOf(until) }, { state: "pending" });

/** People said no, or nobody said yes in time. Fails when somebody else was faster. */
export const closePending = (call: CallId): Write => remove(openCallTable, { call }, { state: "pending" });

/** Settles an unknown call by hand or by its verify tool; the `resolve` entry and `settleClaim` go into the same transaction. */
export const resolveCall = (call: CallId): Write => remove(openCallTable, { call }, { state: "unknown" });

type Reader = Pick<Store, "get" | "list">;

export async function readOpenCall(store: Reader, call: CallId): Promise<OpenCall | null> {
  const row = await store.get(openCallTable, { call });
  return row === null ? null : callOf(row);
}

/** The call that made `openCall` fail on `same`, for the refusal that points to it. */
export async function identicalOpenCall(
  store: Reader,
  tenant: TenantId,
  principal: PrincipalId,
  same: string,
): Promise<OpenCall | null> {
  const rows = await store.list(openCallTable, {
    index: "same",
    equals: { tenant, principal, same },
    limit: 1,
  });
  return rows[0] === undefined ? null : callOf(rows[0]);
}

/** By call id, ascending; page with `after`. */
export async function listOpenCalls(
  store: Reader,
  tenant: TenantId,
  state: OpenCallState,
  page: { readonly after?: CallId; readonly limit: number },
): Promise<readonly OpenCall[]> {
  const rows = await store.list(openCallTable, {
    index: "state",
    equals: { tenant, state },
    ...(page.after === undefined ? {} : { after: page.after }),
    limit: page.limit,
  });
  return rows.map(callOf);
}

/** What a node holds, over all tenants: for taking over after its lease expired. */
export async function openCallsOfNode(
  store: Reader,
  node: string,
  page: { readonly after?: CallId; readonly limit: number },
): Promise<readonly OpenCall[]> {
  const rows = await store.list(openCallTable, {
    index: "node",
    equals: { node },
    ...(page.after === undefined ? {} : { after: page.after }),
    limit: page.limit,
  });
  return rows.map(callOf);
}

type OpenCallRow = RowOf<typeof openCallTable.columns>;

const rowOf = (call: OpenCall): OpenCallRow => ({
  call: call.call,
  tenant: call.tenant,
  principal: call.principal,
  subject: call.subject,
  class: call.class,
  state: call.state,
  node: call.node,
  fence: call.fence,
  dispatchBy: msOf(call.dispatchBy),
  intentEntry: call.intentEntry,
  stepDigest: call.stepDigest,
  claimScope: call.claim === null ? null : call.claim.scope,
  claimName: call.claim === null ? null : call.claim.name,
  same: call.same,
});

// The casts name what `rowOf` wrote: the store gives back what it was given.
const callOf = (row: OpenCallRow & Row): OpenCall => ({
  call: row.call as CallId,
  tenant: row.tenant as TenantId,
  principal: row.principal as PrincipalId,
  subject: row.subject,
  class: row.class as OpenCall["class"],
  state: row.state as OpenCallState,
  node: row.node,
  fence: row.fence,
  dispatchBy: storeMs(row.dispatchBy),
  intentEntry: row.intentEntry as EntryId,
  stepDigest: row.stepDigest as Sha256Hex,
  claim:
    row.claimScope === null || row.claimName === null
      ? null
      : { scope: row.claimScope as ClaimPlace["scope"], name: row.claimName },
  same: row.same,
});
