import type { ApprovalId } from "../approvals/index.ts";
import { listApprovals, approvalStates } from "../approvals/index.ts";
import type { ManualClock } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Entry, EntryId } from "../ledger/index.ts";
import { entryWrite } from "../ledger/index.ts";
import type { MemoryStore } from "../store/index.ts";
import { tenants } from "./simulation-node.fixture.ts";
import type { SimulatedNode } from "./simulation-node.fixture.ts";
import type { Dice } from "./simulation-servers.fixture.ts";
import { voters } from "./simulation-wishes.fixture.ts";

/** People who are asked: they say yes, no, too late, twice, or what is not theirs to say. */
export class SimulatedPeople {
  /** Votes that nobody may have been allowed to cast, with why. */
  readonly problems: string[] = [];
  approved = 0;
  denied = 0;
  private readonly clock: ManualClock;
  private readonly dice: Dice;
  private readonly reader: MemoryStore;
  private acts = 0;

  constructor(clock: ManualClock, dice: Dice, reader: MemoryStore) {
    this.clock = clock;
    this.dice = dice;
    this.reader = reader;
  }

  /** One vote about one of the newest requests; mostly one that is pending. */
  async decide(node: SimulatedNode): Promise<void> {
    const { dice } = this;
    const tenant = dice.pick(tenants);
    const state = dice.chance(85) ? "pending" : dice.pick(approvalStates);
    const found = await listApprovals(this.reader, tenant, state, { limit: 100 });
    const request = found.at(-1 - dice.below(4)) ?? found.at(-1);
    if (request === undefined) return;
    const vote = dice.chance(85) ? "approve" : "deny";
    const who = dice.pick(voters(tenant));
    await this.cast(node, who, request.id, vote, request.intentDigest);
  }

  /** Everybody who may says yes. */
  async agree(node: SimulatedNode, id: ApprovalId, tenant: Principal["tenant"]): Promise<void> {
    for (const who of voters(tenant)) {
      const standing = await node.approvals?.standing(tenant, id);
      if (standing === null || standing === undefined || standing.request.state !== "pending") return;
      await this.cast(node, who, id, "approve", standing.request.intentDigest);
    }
  }

  private async cast(
    node: SimulatedNode,
    who: Principal,
    id: ApprovalId,
    vote: "approve" | "deny",
    intent: string,
  ): Promise<void> {
    const { approvals, store } = node;
    if (approvals === null) return;
    const entry = `act_${this.acts++}:0` as EntryId;
    const voted = await approvals.vote(who, id, { vote, intent, entry, at: this.clock.wall() });
    if (!voted.ok) return;
    if (who.kind !== "person") this.problems.push(`${who.id} was let vote`);
    const act: Entry = {
      id: entry,
      kind: "act",
      tenant: who.tenant,
      at: this.clock.wall(), // not before the store's time at which the vote was looked at
      call: null,
      run: null,
      step: null,
      principals: [who.id],
      method: `admin.approval.${vote}`,
      subject: id,
      versions: {},
      decision: null,
      intentDigest: intent as Entry["intentDigest"],
      stepDigest: null,
      outcome: { kind: "succeeded", isError: false },
      commitments: {},
      after: null,
    };
    const verdict = await store.commit([...voted.value.writes, entryWrite(act, null).write]);
    if (verdict.verdict !== "done") return;
    node.ledger.noted(who.tenant);
    if (vote === "approve") this.approved++;
    else this.denied++;
    if (this.dice.chance(90)) approvals.decided(id); // else whoever waits looks for itself
  }
}
