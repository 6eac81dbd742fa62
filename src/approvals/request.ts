import type { Brand, Clock, Random, Sha256Hex, StoreMs, WallMs } from "../base/index.ts";
import { msOf, newId, plusMs, storeMs, wallMs } from "../base/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";
import type { CallId, EntryId, RunId } from "../ledger/index.ts";
import type { ApprovalRule } from "../policy/index.ts";
import type { RowOf, Store, Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { Prover } from "./proof.ts";
import { proofOf } from "./proof.ts";
import type { Reasons } from "./reasons.ts";
import { proofOfReasons } from "./reasons.ts";
import { approvalTable, approvalVoteTable } from "./tables.ts";

export type ApprovalId = Brand<"approval">;

/**
 *  pending   people are asked
 *  approved  enough of them said yes; good for one call until it expires
 *  used      its call's intent took it along
 *  denied    one of them said no
 *  expired   nobody decided in time, or nobody came back for it
 *  void      the call is not the one that was asked about any more, or policy no longer asks
 */
export const approvalStates = ["pending", "approved", "used", "denied", "expired", "void"] as const;
export type ApprovalState = (typeof approvalStates)[number];

/** Values that a rule's yes endorses for a run. `digest` is an HMAC over rule, places and values: nothing can be read from it. */
export interface Endorsement {
  readonly policyId: string;
  readonly digest: string;
}

export interface ApprovalRequest {
  readonly id: ApprovalId;
  readonly tenant: TenantId;
  readonly call: CallId;
  readonly intentDigest: Sha256Hex;
  /** 16 bytes, base64url: the same intent asked about twice has two different grants. */
  readonly nonce: string;
  readonly state: ApprovalState;
  readonly version: number;
  /** Who makes the call, first; then on whose behalf, nearest first. */
  readonly principals: readonly PrincipalId[];
  readonly subject: string;
  readonly name: string;
  readonly rules: readonly ApprovalRule[];
  /** Null = no rule's policy says why. */
  readonly reasons: Reasons | null;
  readonly reasonsProof: string | null;
  readonly run: RunId | null;
  readonly step: string | null;
  /** What a yes endorses for the run besides; empty = nothing. */
  readonly endorses: readonly Endorsement[];
  /** What exactly was asked: its payload has the arguments and the salt. */
  readonly requestEntry: EntryId;
  readonly requestedAt: StoreMs;
  /** The earliest of its rules' times. */
  readonly expiresAt: StoreMs;
  readonly decidedEntry: EntryId | null; // null = not decided by a vote
  readonly grant: string | null; // null = not enough have said yes
  /** That nobody has changed in the database what people are asked. */
  readonly proof: string;
}

export interface ApprovalVote {
  readonly person: PrincipalId;
  readonly vote: "approve" | "deny";
  /** Which of the request's rules it counts for, by their place: those that its person was asked by. */
  readonly rules: readonly number[];
  readonly entry: EntryId;
  readonly at: WallMs;
  readonly proof: string;
}

type Asked = Pick<
  ApprovalRequest,
  | "tenant"
  | "call"
  | "intentDigest"
  | "principals"
  | "subject"
  | "name"
  | "rules"
  | "reasons"
  | "run"
  | "step"
  | "endorses"
  | "requestEntry"
>;

/** Every vote raises it. */
const firstVersion = 1;

/** `now` is the store's. The write fails only when the id exists, which is a bug. */
export function newRequest(
  asked: Asked,
  now: StoreMs,
  prover: Prover,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): { readonly request: ApprovalRequest; readonly write: Write } {
  const expiryMs = Math.min(...asked.rules.map((rule) => rule.expiryMs));
  const unproven = {
    ...asked,
    id: newId("apr", clock.wall(), random) as ApprovalId,
    nonce: Buffer.from(random.bytes(16)).toString("base64url"),
    state: "pending" as const,
    version: firstVersion,
    requestedAt: now,
    expiresAt: plusMs(now, expiryMs),
    decidedEntry: null,
    grant: null,
  };
  const request: ApprovalRequest = {
    ...unproven,
    reasonsProof: proofOfReasons(unproven, prover),
    proof: requestProof(unproven, prover),
  };
  const { principals, rules, reasons, endorses, requestedAt, expiresAt, ...columns } = request;
  const write = insert(approvalTable, {
    ...columns,
    requester: requesterOf(principals),
    principals: JSON.stringify(principals),
    rules: JSON.stringify(rules),
    reasons: reasons === null ? null : JSON.stringify(reasons),
    endorses: JSON.stringify(endorses),
    requestedAt: msOf(requestedAt),
    expiresAt: msOf(expiresAt),
  });
  return { request, write };
}

/** Over all of it that never changes; its reasons have a proof of their own. */
export const requestProof = (
  request: Omit<ApprovalRequest, "reasons" | "reasonsProof" | "proof">,
  prover: Prover,
): string =>
  proofOf(
    "request",
    [
      request.id,
      request.tenant,
      request.call,
      request.intentDigest,
      request.nonce,
      request.principals,
      request.subject,
      request.name,
      request.rules,
      request.run,
      request.step,
      request.endorses,
      request.requestEntry,
      msOf(request.requestedAt),
      msOf(request.expiresAt),
    ],
    prover,
  );

export const requesterOf = (principals: readonly PrincipalId[]): string => principals[0] ?? "";

type Reader = Pick<Store, "get" | "list">;

export async function readApproval(
  store: Pick<Store, "get">,
  tenant: TenantId,
  id: ApprovalId,
): Promise<ApprovalRequest | null> {
  const row = await store.get(approvalTable, { id });
  return row === null || row.tenant !== tenant ? null : requestOf(row);
}

/** People are asked anew when policies or pins have changed: a few times in the life of a call. */
const requestsPerCallMax = 64;

/**
 * The newest request of a call, in store time: ids are drawn by clocks of several nodes. Of two in one millisecond the one that is not
 * void is, because asking anew voids the one before. null = nobody was ever asked about it.
 */
export async function approvalOfCall(store: Reader, call: CallId): Promise<ApprovalRequest | null> {
  const rows = await store.list(approvalTable, {
    index: "call",
    equals: { call },
    order: "descending",
    limit: requestsPerCallMax,
  });
  const [newest] = rows.toSorted(
    (a, b) => b.requestedAt - a.requestedAt || Number(a.state === "void") - Number(b.state === "void"),
  );
  return newest === undefined ? null : requestOf(newest);
}

/** By approval id, ascending, so roughly oldest first; page with `after`. */
export async function listApprovals(
  store: Reader,
  tenant: TenantId,
  state: ApprovalState,
  page: { readonly after?: ApprovalId; readonly limit: number },
): Promise<readonly ApprovalRequest[]> {
  const rows = await store.list(approvalTable, {
    index: "state",
    equals: { tenant, state },
    ...(page.after === undefined ? {} : { after: page.after }),
    limit: page.limit,
  });
  return rows.map(requestOf);
}

/** Of a run, in this state; the newest first. */
export async function approvalsOfRun(
  store: Reader,
  run: RunId,
  state: ApprovalState,
  limit: number,
): Promise<readonly ApprovalRequest[]> {
  const rows = await store.list(approvalTable, {
    index: "run",
    equals: { run, state },
    order: "descending",
    limit,
  });
  return rows.map(requestOf);
}

/** How many requests of this principal wait for people, up to `limit`. */
export async function pendingOf(store: Reader, principal: PrincipalId, limit: number): Promise<number> {
  const rows = await store.list(approvalTable, {
    index: "requester",
    equals: { requester: principal, state: "pending" },
    limit,
  });
  return rows.length;
}

/** Pending or approved ones whose time is over. */
export async function overdueApprovals(
  store: Reader,
  now: StoreMs,
  limit: number,
): Promise<readonly ApprovalRequest[]> {
  const found: ApprovalRequest[] = [];
  for (const state of ["pending", "approved"] as const) {
    const rows = await store.list(approvalTable, {
      index: "expiry",
      equals: { state },
      from: 0,
      upTo: msOf(now),
      limit,
    });
    found.push(...rows.map(requestOf));
  }
  return found;
}

export async function votesOn(
  store: Reader,
  { id, version }: ApprovalRequest,
): Promise<readonly ApprovalVote[]> {
  if (version === firstVersion) return [];
  const rows = await store.list(approvalVoteTable, {
    index: "key",
    equals: { approval: id },
    limit: votesMax,
  });
  return rows.map((row) => ({
    person: row.person as PrincipalId,
    vote: row.vote as ApprovalVote["vote"],
    rules: JSON.parse(row.rules) as number[],
    entry: row.entry as EntryId,
    at: wallMs(row.at),
    proof: row.proof,
  }));
}

/** More than five rules with quorums of twenty can use. */
const votesMax = 200;

// The casts name what `newRequest` and the votes wrote: the store gives back what it was given.
const requestOf = (row: RowOf<typeof approvalTable.columns>): ApprovalRequest => ({
  id: row.id as ApprovalId,
  tenant: row.tenant as TenantId,
  call: row.call as CallId,
  intentDigest: row.intentDigest as Sha256Hex,
  nonce: row.nonce,
  state: row.state as ApprovalState,
  version: row.version,
  principals: JSON.parse(row.principals) as PrincipalId[],
  subject: row.subject,
  name: row.name,
  rules: JSON.parse(row.rules) as ApprovalRule[],
  reasons: row.reasons === null ? null : (JSON.parse(row.reasons) as Reasons),
  reasonsProof: row.reasonsProof,
  run: row.run as RunId | null,
  step: row.step,
  endorses: JSON.parse(row.endorses) as Endorsement[],
  requestEntry: row.requestEntry as EntryId,
  requestedAt: storeMs(row.requestedAt),
  expiresAt: storeMs(row.expiresAt),
  decidedEntry: row.decidedEntry as EntryId | null,
  grant: row.grant,
  proof: row.proof,
});
