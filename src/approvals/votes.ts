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
import type { ProofKeys, Prover } from "./proof.ts";
import { voteProof } from "./proven.ts";
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

export type VotingKeys = Pick<Keys, "sign" | "publicKey"> & ProofKeys;

export interface Voted {
  readonly writes: readonly Write[];
  readonly state: ApprovalState;
}

/** One no denies; a yes counts for the rules its person is asked by. `votes` prove themselves. The writes fail when somebody else voted meanwhile: read again. */
export function castVote(
  actor: Principal,
  request: ApprovalRequest,
  votes: readonly ApprovalVote[],
  vote: Vote,
  prover: Prover,
  {
    keys,
    selfByDefault,
    ...announcing
  }: Announcing & { readonly keys: VotingKeys; readonly selfByDefault: boolean },
): Result<Voted> {
  const rules = mayDecide(actor, request, vote.now, selfByDefault);
  if (!rules.ok) return rules;
  const problem = problemOf(actor, request, votes, vote);
  if (problem !== null) return refuse({ code: "conflict", detail: problem });
  const said = {
    person: actor.id,
    vote: vote.vote,
    rules: rules.value,
    entry: vote.entry,
    at: vote.at,
  };
  const own: ApprovalVote = { ...said, proof: voteProof(said, request, prover) };
  const all = [...votes, own];
  const isSatisfied = openRules(request, all, vote.now).isSatisfied;
  const state = vote.vote === "deny" ? "denied" : isSatisfied ? "approved" : "pending";
  const grant = state === "approved" ? signGrant(request, all, keys) : null;
  return ok({
    state,
    writes: [
      insert(approvalVoteTable, {
        approval: request.id,
        ...own,
        rules: JSON.stringify(own.rules),
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
