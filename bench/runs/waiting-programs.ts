import { metaKeys } from "../../contract/index.ts";
import type { RunningNode } from "../../src/app/node.ts";
import type { ApprovalId } from "../../src/approvals/index.ts";
import { newId, ok, systemClock, systemRandom } from "../../src/base/index.ts";
import type { CallAnswer } from "../../src/calls/index.ts";
import { defaultTenant } from "../../src/identity/index.ts";
import type { Principal } from "../../src/identity/index.ts";
import { noCapabilities } from "../../src/registry/index.ts";
import type { Store } from "../../src/store/index.ts";
import {
  append,
  insert,
  integer,
  keyedTable,
  logTable,
  loadPostgres,
  openSqliteStore,
  text,
  update,
} from "../../src/store/index.ts";
import type { Used } from "./child.ts";
import { serve, startMeter } from "./child.ts";
import { made, startNode, valueOf } from "./node.ts";

/**
 * What waiting.ts measures, each in a process of its own:
 * `node bench/runs/waiting-programs.ts journal <directory> | node <directory> <port of the bank> <policies>`, each with the url of a database
 * as a last argument if the data is to be there.
 */
export type Phase = "park" | "approve" | "resume";

/** As many at once as a busy node has; each then takes the next one. */
const atOnce = 500;

type Phases = Readonly<Record<Phase, (i: number) => Promise<void>>>;

const rowText = JSON.stringify({
  v: 1,
  kind: "intent",
  tenant: "default",
  subject: "srv_1/pay",
  at: 1,
  pad: "x".repeat(500),
});

/** The floor: the same number of rows through the same group commit, and nothing else. */
async function startJournal(directory: string, database: string): Promise<Phases> {
  const entries = logTable({
    name: "entry",
    columns: { id: text, tenant: text, leaf: text },
    id: "id",
    partition: "tenant",
  });
  const waiting = keyedTable({
    name: "waiting",
    columns: { id: text, state: text, at: integer },
    key: ["id"],
  });
  const opened = { tables: [entries, waiting], clock: systemClock };
  const store =
    database === ""
      ? openSqliteStore({ ...opened, directory })
      : (await loadPostgres()).openPostgresStore({ ...opened, connection: { url: database } });
  await store.start();
  const done = async (transaction: Parameters<Store["commit"]>[0]) => {
    if ((await store.commit(transaction)).verdict !== "done") throw new Error("guard failed");
  };
  const entry = (i: number, n: number) =>
    append(entries, { id: `${i}:${n}`, tenant: "default", leaf: rowText });
  const moved = (i: number, to: string, from: string) =>
    update(waiting, { id: `${i}` }, { state: to }, { state: from });
  return {
    park: (i) => done([entry(i, 0), insert(waiting, { id: `${i}`, state: "pending", at: i })]),
    approve: (i) => done([entry(i, 1), moved(i, "approved", "pending")]),
    resume: async (i) => {
      await done([entry(i, 2), moved(i, "dispatched", "approved")]);
      await done([entry(i, 3), moved(i, "done", "dispatched")]);
    },
  };
}

async function startPhases(
  directory: string,
  echoPort: number,
  policies: string,
  database: string,
): Promise<Phases> {
  const running = await startNode({
    directory,
    port: 0,
    upstreamPort: echoPort,
    toolClass: "effect",
    policies,
    ...(database === "" ? {} : { database }),
  });
  return phasesOf(running, await people(running));
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

function phasesOf({ line, approvals, acts }: RunningNode, { agents, approver }: People): Phases {
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

async function run(each: (i: number) => Promise<void>, count: number): Promise<Used> {
  const used = startMeter();
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return used();
}

const [kind, directory = "", port = "", policies = "", database = ""] = process.argv.slice(2);
const phases =
  kind === "journal"
    ? await startJournal(directory, database)
    : await startPhases(directory, Number(port), policies, database);
if (kind === "journal") process.on("disconnect", () => process.exit(0));
serve("ready", async (asked: { phase: Phase; count: number } | { idleMs: number }): Promise<Used> => {
  if ("phase" in asked) return run(phases[asked.phase], asked.count);
  const used = startMeter();
  await new Promise((resolve) => setTimeout(resolve, asked.idleMs));
  return used();
});
