import type { Result, StoreMs, WallMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { EntryId } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import type { Announcing } from "./announcement.ts";
import { decidedAnnouncements } from "./announcement.ts";
import { signGrant } from "./grant.ts";
import type { ApprovalRequest, ApprovalState, ApprovalVote } from "./request.ts";
import { mayDecide, openRules } from "./rules.ts";
import { approvalTable, approvalVoteTable } from "./tables.ts";

export interface Vote {
  readonly vote: "approve" | "deny";
  /** The intent digest that the person was shown. */
  readonly intent: string;
  /** The entry of the act, which goes into the same transaction. */
  readonly entry: EntryId;
  readonly at: WallMs;
  readonly now: StoreMs;
}

export interface Voted {
  readonly writes: readonly Write[];
  readonly state: ApprovalState;
}

/** One no denies; a yes counts for the groups its person is in. The writes fail when somebody else voted meanwhile: read again. */
export function castVote(
  actor: Principal,
  request: ApprovalRequest,
  votes: readonly ApprovalVote[],
  vote: Vote,
  {
    keys,
    selfByDefault,
    ...announcing
  }: Announcing & {
    readonly keys: Pick<Keys, "sign">;
    readonly selfByDefault: boolean;
  },
): Result<Voted> {
  const groups = mayDecide(actor, request, vote.now, selfByDefault);
  if (!groups.ok) return groups;
  const problem = problemOf(actor, request, votes, vote);
  if (problem !== null) return refuse({ code: "conflict", detail: problem });
  const own: ApprovalVote = {
    person: actor.id,
    vote: vote.vote,
    groups: groups.value,
    entry: vote.entry,
    at: vote.at,
  };
  const all = [...votes, own];
  const isSatisfied = openRules(request, all, vote.now).isSatisfied;
  const state = vote.vote === "deny" ? "denied" : isSatisfied ? "approved" : "pending";
  const grant = state === "approved" ? signGrant(request, all, keys) : null;
  return ok({
    state,
    writes: [
      insert(approvalVoteTable, {
        approval: request.id,
        person: own.person,
        vote: own.vote,
        groups: JSON.stringify(own.groups),
        entry: own.entry,
        at: msOf(own.at),
      }),
      update(
        approvalTable,
        { id: request.id },
        { state, version: request.version + 1, grant, decidedEntry: state === "pending" ? null : vote.entry },
        { state: "pending", version: request.version },
      ),
      ...(state === "pending" ? [] : decidedAnnouncements(request, state, announcing)),
    ],
  });
}

function problemOf(
  actor: Principal,
  request: ApprovalRequest,
  votes: readonly ApprovalVote[],
  { intent, now }: Vote,
): string | null {
  if (request.state !== "pending") return `this request is ${request.state}, nobody is asked any more`;
  if (msOf(request.expiresAt) <= msOf(now)) return "this request has expired";
  if (intent !== request.intentDigest) return "this is not the intent that is asked about: look at it again";
  return votes.some(({ person }) => person === actor.id) ? "you have voted already" : null;
}
