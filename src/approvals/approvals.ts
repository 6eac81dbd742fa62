import type { Clock, Random, Result, StoreMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { CallId, RunId } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { askedAnnouncements } from "./announcement.ts";
import { consume, expire, makeVoid } from "./endings.ts";
import { endorsedBy, endorsementWrites } from "./endorsements.ts";
import { isGranted } from "./grant.ts";
import type { ApprovalId, ApprovalRequest, ApprovalVote, Endorsement } from "./request.ts";
import {
  approvalOfCall,
  newRequest,
  overdueApprovals,
  pendingOf,
  readApproval,
  requesterOf,
  votesOn,
} from "./request.ts";
import type { Vote, Voted } from "./votes.ts";
import { castVote } from "./votes.ts";
import { Waiting } from "./waiting.ts";

/** People look at tens a day; an agent that asks for more than this at once is out of hand. */
const pendingMax = 1_000;
/** What is closed in one round of housekeeping; the rest follows in the next. */
const overduePerRound = 200;

export interface ApprovalsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Pick<Keys, "sign" | "publicKey">;
  /** Whether one's own approval counts where a rule does not say: for a developer alone at a machine. */
  readonly selfByDefault: boolean;
  /** Where a person decides about this request; null = this node has no address. */
  readonly urlOf: (id: ApprovalId) => string | null;
  /** Names of the webhooks that are told what happens in this tenant. */
  readonly targets: (tenant: TenantId) => readonly string[];
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** A request as it stands. */
export interface Standing {
  readonly request: ApprovalRequest;
  readonly votes: readonly ApprovalVote[];
}

/** Requests of approval, from being asked to being used. See index.ts. */
export class Approvals {
  private readonly options: ApprovalsOptions;
  private readonly waiting: Waiting;

  constructor(options: ApprovalsOptions) {
    this.options = options;
    this.waiting = new Waiting(options);
  }

  stop(): void {
    this.waiting.stop();
  }

  /** A new request with the writes that make it durable, which go into the call's own transaction. */
  async ask(
    asked: Parameters<typeof newRequest>[0],
    now: StoreMs,
  ): Promise<Result<{ readonly request: ApprovalRequest; readonly writes: readonly Write[] }>> {
    const { store } = this.options;
    const requester = asked.principals[0];
    if (requester !== undefined && (await pendingOf(store, requester, pendingMax)) >= pendingMax) {
      return refuse({
        code: "too-many-calls",
        detail: `${pendingMax} calls of ${requesterOf(asked.principals)} wait for approval already`,
      });
    }
    const { request, write } = newRequest(asked, now, this.options);
    return ok({ request, writes: [write, ...askedAnnouncements(request, this.options)] });
  }

  get selfByDefault(): boolean {
    return this.options.selfByDefault;
  }

  ofCall(call: CallId): Promise<ApprovalRequest | null> {
    return approvalOfCall(this.options.store, call);
  }

  async standing(tenant: TenantId, id: ApprovalId): Promise<Standing | null> {
    const request = await readApproval(this.options.store, tenant, id);
    return request === null ? null : { request, votes: await votesOn(this.options.store, id) };
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

  isOver(request: ApprovalRequest, now: StoreMs): boolean {
    return msOf(request.expiresAt) <= msOf(now);
  }

  /** Another tenant's request looks like a missing one. `decided` is to be called once the writes are durable. */
  async vote(actor: Principal, id: ApprovalId, vote: Omit<Vote, "now">): Promise<Result<Voted>> {
    const found = await this.standing(actor.tenant, id);
    if (found === null) return refuse({ code: "not-found", detail: "There is no such approval." });
    const { store } = this.options;
    const now = await store.now();
    const cast = castVote(actor, found.request, found.votes, { ...vote, now }, this.options);
    if (!cast.ok || cast.value.state !== "approved") return cast;
    const endorsed = await endorsementWrites(found.request, vote.at, store);
    return ok({ ...cast.value, writes: [...cast.value.writes, ...endorsed] });
  }

  /** The approval that endorsed these values for this run; null = people have to be asked. */
  endorsedBy(tenant: TenantId, run: RunId, endorsement: Endorsement): Promise<ApprovalId | null> {
    return endorsedBy(this.options.store, tenant, run, endorsement);
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

  /** Resolves when the request is no longer pending as far as anyone has told, or when `until` does. */
  forDecision(id: ApprovalId, until: Promise<unknown>): Promise<void> {
    return this.waiting.forDecision(id, until);
  }

  /** A vote on this request is durable. */
  decided(id: ApprovalId): void {
    this.waiting.decided(id);
  }
}
