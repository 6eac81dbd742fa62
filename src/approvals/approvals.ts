import type { Clock, Random, Result, StoreMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { CallId, RunId } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { askedAnnouncements } from "./announcement.ts";
import { consume, expire, makeVoid } from "./endings.ts";
import { endorsedBy, endorsementWrites } from "./endorsements.ts";
import { isGranted } from "./grant.ts";
import { PendingBound, pendingMax } from "./pending-bound.ts";
import { proverOf } from "./proof.ts";
import { isProvenRequest, isProvenVote } from "./proven.ts";
import { areProvenReasons } from "./reasons.ts";
import type { Reasons } from "./reasons.ts";
import type { ApprovalId, ApprovalRequest, ApprovalVote, Endorsement } from "./request.ts";
import {
  approvalOfCall,
  newRequest,
  overdueApprovals,
  readApproval,
  requesterOf,
  votesOn,
} from "./request.ts";
import type { RunAsks } from "./run-asks.ts";
import { asksOfRun, wakingWrites } from "./run-asks.ts";
import type { Vote, Voted, VotingKeys } from "./votes.ts";
import { castVote } from "./votes.ts";
import { Waiting } from "./waiting.ts";

/** What is closed in one round of housekeeping; the rest follows in the next. */
const overduePerRound = 200;

export interface ApprovalsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: VotingKeys;
  /** Whether one's own approval counts where a rule does not say: for a developer alone at a machine. */
  readonly selfByDefault: boolean;
  /** Where a person decides about this request; null = this node has no address. */
  readonly urlOf: (id: ApprovalId) => string | null;
  /** Names of the webhooks that are told what happens in this tenant. */
  readonly targets: (tenant: TenantId) => readonly string[];
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** Told to whoever looks at such a request. */
export const unproven =
  "this request was changed in the database: nobody can decide it, and it permits nothing";

/** A request as it stands. */
export interface Standing {
  readonly request: ApprovalRequest;
  /** Those that prove themselves: a row that somebody wrote into the database is nobody's vote. */
  readonly votes: readonly ApprovalVote[];
  /** Nobody has changed in the database what people are asked. */
  readonly isProven: boolean;
}

/** Requests of approval, from being asked to being used. See index.ts. */
export class Approvals {
  private readonly options: ApprovalsOptions;
  private readonly waiting: Waiting;
  private readonly bound: PendingBound;

  constructor(options: ApprovalsOptions) {
    this.options = options;
    this.waiting = new Waiting(options);
    this.bound = new PendingBound(options);
  }

  /** Whoever waits for people to decide is let go at once, so that a node that stops can answer them. */
  stop(): void {
    this.waiting.stop();
  }

  get isStopped(): boolean {
    return this.waiting.isClosed;
  }

  /** A new request with the writes that make it durable, which go into the call's own transaction. */
  async ask(
    asked: Parameters<typeof newRequest>[0],
    now: StoreMs,
  ): Promise<Result<{ readonly request: ApprovalRequest; readonly writes: readonly Write[] }>> {
    const requester = asked.principals[0];
    if (requester !== undefined && !(await this.bound.admits(requester))) {
      return refuse({
        code: "too-many-calls",
        detail: `${pendingMax} calls of ${requesterOf(asked.principals)} wait for approval already`,
      });
    }
    const prover = await proverOf(this.options.keys, asked.tenant);
    const { request, write } = newRequest(asked, now, prover, this.options);
    return ok({ request, writes: [write, ...askedAnnouncements(request, this.options)] });
  }

  get selfByDefault(): boolean {
    return this.options.selfByDefault;
  }

  ofCall(call: CallId): Promise<ApprovalRequest | null> {
    return approvalOfCall(this.options.store, call);
  }

  async standing(tenant: TenantId, id: ApprovalId): Promise<Standing | null> {
    const { store, keys, onTrouble } = this.options;
    const request = await readApproval(store, tenant, id);
    if (request === null) return null;
    const all = await votesOn(store, request);
    const prover = await proverOf(keys, tenant);
    const votes = all.filter((vote) => isProvenVote(vote, request, prover));
    const isProven = isProvenRequest(request, prover);
    if (!isProven || votes.length < all.length)
      onTrouble(`reading approval ${id}`, new Error("it, or a vote on it, was changed in the database"));
    return { request, votes, isProven };
  }

  /** Why people are asked, as far as policies say, by the rules' places. Nothing where somebody has changed it in the database. */
  async reasonsOf(request: ApprovalRequest): Promise<Reasons> {
    if (request.reasons === null) return [];
    const prover = await proverOf(this.options.keys, request.tenant);
    return areProvenReasons(request, prover) ? request.reasons : [];
  }

  urlOf(id: ApprovalId): string | null {
    return this.options.urlOf(id);
  }

  /** Approved, in time, and signed by us for exactly this request. */
  isGood(request: ApprovalRequest, now: StoreMs): boolean {
    return (
      request.state === "approved" && !this.isOver(request, now) && isGranted(request, this.options.keys)
    );
  }

  /** Used up by its call, and signed by us for exactly this request: what carries the call's later rounds. */
  wasGood(request: ApprovalRequest): boolean {
    return request.state === "used" && isGranted(request, this.options.keys);
  }

  isOver(request: ApprovalRequest, now: StoreMs): boolean {
    return msOf(request.expiresAt) <= msOf(now);
  }

  /** Another tenant's request looks like a missing one. `decided` is to be called once the writes are durable. */
  async vote(actor: Principal, id: ApprovalId, vote: Omit<Vote, "now">): Promise<Result<Voted>> {
    const found = await this.standing(actor.tenant, id);
    if (found === null) return refuse({ code: "not-found", detail: "There is no such approval." });
    if (!found.isProven) return refuse({ code: "conflict", detail: unproven });
    const { store, keys } = this.options;
    const now = await store.now();
    const prover = await proverOf(keys, actor.tenant);
    const cast = castVote(actor, found.request, found.votes, { ...vote, now }, prover, this.options);
    if (!cast.ok || cast.value.state === "pending") return cast;
    const woken = await wakingWrites(found.request, now, store);
    const endorsed =
      cast.value.state === "approved" ? await endorsementWrites(found.request, vote.at, store) : [];
    return ok({ ...cast.value, writes: [...cast.value.writes, ...woken, ...endorsed] });
  }

  /** Calls of a run that stand in front of people, or that people have decided about and nobody came back for. */
  ofRun(run: RunId): Promise<readonly RunAsks[]> {
    return asksOfRun(this.options.store, run);
  }

  /** The approval that endorsed these values for this run; null = people have to be asked. */
  endorsedBy(tenant: TenantId, run: RunId, endorsement: Endorsement): Promise<ApprovalId | null> {
    return endorsedBy(this.options.store, this.options.keys, tenant, run, endorsement);
  }

  consume(request: ApprovalRequest): Write {
    return consume(request);
  }

  makeVoid(request: ApprovalRequest): readonly Write[] {
    return makeVoid(request, this.options);
  }

  expire(request: ApprovalRequest): readonly Write[] {
    return expire(request, this.options);
  }

  overdue(now: StoreMs): Promise<readonly ApprovalRequest[]> {
    return overdueApprovals(this.options.store, now, overduePerRound);
  }

  /** Resolves when the request is no longer pending as far as anyone has told, when `until` does, or after `stop`. */
  forDecision(id: ApprovalId, until: Promise<unknown>): Promise<void> {
    return this.waiting.forDecision(id, until);
  }

  /** A vote on this request is durable. */
  decided(id: ApprovalId): void {
    this.waiting.decided(id);
  }
}
