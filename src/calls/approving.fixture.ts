import type { PendingApproval } from "../../contract/index.ts";
import { metaKeys, waitToolName } from "../../contract/index.ts";
import type { ApprovalId, Standing } from "../approvals/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Principal } from "../identity/index.ts";
import type { EntryId } from "../ledger/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { World } from "./world.fixture.ts";
import { openWorld } from "./world.fixture.ts";

/** What tests of approvals say again and again. */
export const approveRule = (terms: string, id = "big") =>
  `@id("${id}") @approve("${terms}") forbid(principal, action == Action::"call", resource);`;
export const permitAll = "permit(principal, action, resource);";

export const step = (name = "s1") => ({ [metaKeys.run]: "r1", [metaKeys.step]: name });

export function pendingIn(answer: CallAnswer): PendingApproval {
  if (answer.kind !== "refused" || answer.refusal.pending === undefined)
    throw new Error(JSON.stringify(answer));
  return answer.refusal.pending;
}

/** A world in which `files__write` of whatever amount is asked about, and two people of finance, one of them a manager. */
export class ApprovalWorld {
  readonly world: World;
  readonly vera: Principal;
  readonly carl: Principal;
  private votes = 0;

  private constructor(world: World, vera: Principal, carl: Principal) {
    this.world = world;
    this.vera = vera;
    this.carl = carl;
  }

  static async open(terms = "group=finance expiry=4h"): Promise<ApprovalWorld> {
    const world = await openWorld(`${permitAll} ${approveRule(terms)}`);
    const vera = await world.person("vera", ["finance"]);
    return new ApprovalWorld(world, vera, await world.person("carl", ["finance", "managers"]));
  }

  write(amount = 1, meta: Record<string, unknown> = {}, more: Partial<CallInput> = {}): Promise<CallAnswer> {
    return this.world.call("files__write", { path: "a", amount }, meta, more);
  }

  async wait(call: string, meta: Record<string, unknown> = {}, more: Partial<CallInput> = {}) {
    const waiting = this.world.call(waitToolName, { call, seconds: 60 }, meta, more);
    await this.world.tickUntil(waiting);
    return waiting;
  }

  async standing({ approval }: { readonly approval: string }): Promise<Standing> {
    const found = await this.world.approvals.standing(defaultTenant, approval as ApprovalId);
    if (found === null) throw new Error("no such approval");
    return found;
  }

  /** The state of the request afterwards, or why the vote does not count. */
  async vote(
    who: Principal,
    pending: { readonly approval: string },
    vote: "approve" | "deny" = "approve",
  ): Promise<string> {
    const { approvals, store, clock } = this.world;
    const id = pending.approval as ApprovalId;
    const intent = (await this.standing(pending)).request.intentDigest;
    const entry = `act_vote${this.votes++}:0` as EntryId;
    const voted = await approvals.vote(who, id, { vote, intent, entry, at: clock.wall() });
    if (!voted.ok) return voted.refusal.code;
    if ((await store.commit(voted.value.writes)).verdict !== "done") return "guard-failed";
    approvals.decided(id);
    return voted.value.state;
  }
}
