import { metaKeys } from "../../contract/index.ts";
import type { RunningNode } from "../../src/app/node/node.ts";
import type { ApprovalId } from "../../src/approvals/index.ts";
import { newId, ok, systemClock, systemRandom } from "../../src/base/index.ts";
import type { CallAnswer } from "../../src/calls/index.ts";
import type { Principal } from "../../src/identity/index.ts";
import { defaultTenant } from "../../src/identity/index.ts";
import { noCapabilities } from "../../src/registry/index.ts";
import { made } from "./node.ts";
import { valueOf } from "./value-of.ts";
import type { Phases } from "./waiting-programs.ts";

/** The node's side of waiting-programs.ts; a module of its own, because the ruler does not load it. */
export async function phasesOf(running: RunningNode): Promise<Phases> {
  const { line, approvals, acts } = running;
  const { agents, approver } = await people(running);
  const asked = new Map<number, string>();
  const call = (i: number): Promise<CallAnswer> => {
    const principal = agents[i % agents.length] as Principal;
    return line.call({
      requestId: newId("req", systemClock.wall(), systemRandom),
      authenticate: () => ok(principal),
      method: "tools/call",
      name: "bank__pay",
      arguments: { to: `account-${i}`, amount: i },
      meta: { [metaKeys.run]: `run-${i}`, [metaKeys.step]: "pay" },
      deadline: null,
      signal: new AbortController().signal,
      profile: noCapabilities,
      logLevel: null,
      round: null,
      ask: null,
      onLog: null,
      onProgress: null,
      receivedAt: systemClock.monotonic(),
    });
  };
  return {
    async park(i) {
      const answer = await call(i);
      if (answer.kind !== "refused" || answer.refusal.pending === undefined)
        throw new Error(JSON.stringify(answer));
      asked.set(i, answer.refusal.pending.approval);
    },
    async approve(i) {
      const id = asked.get(i) as ApprovalId;
      const standing = await approvals.standing(defaultTenant, id);
      const intent = standing?.request.intentDigest ?? "";
      const entry = acts.newEntryId();
      const vote = { vote: "approve" as const, intent, entry, at: systemClock.wall() };
      const { writes } = valueOf(await approvals.vote(approver, id, vote));
      const change = { writes, value: null, applied: () => approvals.decided(id) };
      const act = { actor: approver, action: "admin.approval.approve", decision: null };
      valueOf(await acts.perform(act, id, change, { vote: "approve" }, { id: entry }));
    },
    async resume(i) {
      const answer = await call(i);
      if (answer.kind !== "result") throw new Error(JSON.stringify(answer));
    },
  };
}

interface People {
  readonly agents: readonly Principal[];
  readonly approver: Principal;
}

/** Twenty agents, because one may not have more than a thousand calls waiting. */
async function people(running: RunningNode): Promise<People> {
  const { identities } = running;
  const self = valueOf(identities.node(defaultTenant));
  const approver = await made(running, identities.createPerson(self, { name: "vera", roles: ["finance"] }));
  const agents: Principal[] = [];
  for (let i = 0; i < 20; i++) {
    const agent = await made(running, identities.createAgent(self, { name: `agent-${i}`, roles: [] }));
    agents.push(valueOf(identities.recorded(defaultTenant, agent.id)));
  }
  return { agents, approver: valueOf(identities.recorded(defaultTenant, approver.id)) };
}
