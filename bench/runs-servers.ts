import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { metaKeys } from "../contract/index.ts";
import { readConfig } from "../src/app/config.ts";
import { readEnvironment } from "../src/app/environment.ts";
import type { RunningNode } from "../src/app/node.ts";
import { Node } from "../src/app/node.ts";
import type { ApprovalId } from "../src/approvals/index.ts";
import type { Result } from "../src/base/index.ts";
import { newId, ok, systemClock, systemRandom } from "../src/base/index.ts";
import type { CallAnswer } from "../src/calls/index.ts";
import { defaultTenant } from "../src/identity/index.ts";
import type { Principal } from "../src/identity/index.ts";
import { noCapabilities } from "../src/registry/index.ts";
import type { Change, Store } from "../src/store/index.ts";
import {
  append,
  insert,
  integer,
  keyedTable,
  logTable,
  openSqliteStore,
  text,
  update,
} from "../src/store/index.ts";
import { createLog, createMetrics } from "../src/telemetry/index.ts";

/**
 * What bench/runs.ts measures, each in a process of its own, talked to over IPC:
 * `node bench/runs-servers.ts journal <directory> <count> | node <directory> <count> | echo`.
 */
export type Phase = "park" | "approve" | "resume";

/** As many at once as a busy node has; each then takes the next one. */
const atOnce = 500;

export interface PhaseReport {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

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
async function startJournal(directory: string): Promise<Phases> {
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
  const store = openSqliteStore({ directory, tables: [entries, waiting], clock: systemClock });
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

async function startNode(directory: string, echoPort: number, policies: string): Promise<Phases> {
  const yaml = `
listen: { port: 0 }
data: { directory: ${JSON.stringify(join(directory, "data"))} }
servers: { bank: { url: "http://127.0.0.1:${echoPort}/mcp", era: modern, concurrencyMax: 1000 } }
policies: { files: [${JSON.stringify(policies)}] }
limits: { callsInFlightMax: 2000, perPrincipalCallsMax: 1000 }
`;
  const config = readConfig({ text: yaml, file: join(directory, "signalbox.yaml"), env: {} });
  if (!config.ok) throw new Error(JSON.stringify(config.refusal));
  const log = createLog({
    level: "info",
    destination: { kind: "file", path: join(directory, "calls.jsonl") },
    clock: systemClock,
  });
  const node = new Node({
    mode: "dev",
    config: config.value,
    environment: readEnvironment(),
    clock: systemClock,
    random: systemRandom,
    log,
    metrics: createMetrics(),
    onFatal: (reason) => {
      throw new Error(reason);
    },
  });
  const running = await node.start();
  process.on("disconnect", () => void node.stop().then(() => process.exit(0)));
  while (running.registry.callableToolsOf(defaultTenant).length === 0)
    await new Promise((resolve) => setTimeout(resolve, 10));
  return phasesOf(running, await people(running));
}

interface People {
  readonly agents: readonly Principal[];
  readonly approver: Principal;
}

/** Twenty agents, because one may not have more than a thousand calls waiting. */
async function people({ identities, store }: RunningNode): Promise<People> {
  const made = async <T>(change: Result<Change<T>>): Promise<T> => {
    const { writes, value, applied } = valueOf(change);
    await store.commit(writes);
    applied();
    return value;
  };
  const self = valueOf(identities.node(defaultTenant));
  const approver = await made(identities.createPerson(self, { name: "vera", roles: ["finance"] }));
  const agents: Principal[] = [];
  for (let i = 0; i < 20; i++) {
    const agent = await made(identities.createAgent(self, { name: `agent-${i}`, roles: [] }));
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

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.value;
}

async function run(each: (i: number) => Promise<void>, count: number): Promise<PhaseReport> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return { ms: performance.now() - startedAt, ...used(cpu) };
}

function used(since: NodeJS.CpuUsage): { readonly cpuMs: number; readonly rssMiB: number } {
  const { user, system } = process.cpuUsage(since);
  return { cpuMs: (user + system) / 1000, rssMiB: process.memoryUsage().rss / 2 ** 20 };
}

/** A modern server with one tool, which does nothing and says so. */
function startEcho(): Promise<number> {
  const inputSchema = { type: "object", properties: { to: { type: "string" }, amount: { type: "integer" } } };
  const tools = [{ name: "pay", description: "bench", inputSchema }];
  const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "public" };
  const resultFor = (method: string): unknown => {
    if (method === "server/discover")
      return { ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
    if (method === "tools/list") return { ...fresh, tools };
    return { resultType: "complete", content: [{ type: "text", text: "paid" }] };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { id, method } = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string };
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result: resultFor(method) }));
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

const [kind, directory = "", port = "", policies = ""] = process.argv.slice(2);
if (kind === "echo") {
  process.on("disconnect", () => process.exit(0));
  process.send?.(await startEcho());
} else {
  const phases =
    kind === "journal" ? await startJournal(directory) : await startNode(directory, Number(port), policies);
  if (kind === "journal") process.on("disconnect", () => process.exit(0));
  process.on(
    "message",
    (asked: { readonly phase: Phase; readonly count: number } | { readonly idleMs: number }) => {
      void answer(asked).then((report) => process.send?.(report));
    },
  );
  const answer = async (
    asked: { phase: Phase; count: number } | { idleMs: number },
  ): Promise<PhaseReport> => {
    if ("phase" in asked) return run(phases[asked.phase], asked.count);
    const cpu = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, asked.idleMs));
    return { ms: asked.idleMs, ...used(cpu) };
  };
  process.send?.("ready");
}
