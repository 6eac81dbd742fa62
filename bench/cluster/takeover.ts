import { fileURLToPath } from "node:url";
import type { Postgres } from "../../test/fixtures/postgres.ts";
import { Child } from "../runs/child.ts";
import { row } from "../runs/machine.ts";
import type { BankState } from "./bank.ts";
import { Database } from "./database.ts";
import type { ServeNode } from "./nodes.ts";
import { Nodes, clientMeta, mcpHeaders, until } from "./nodes.ts";

/** Calls that the bank has and never answers, at the node that dies. */
const callsUnderWay = 100;
/** Hosted runs, spread over the nodes by themselves. */
const runs = 24;
/** So long a look takes, and so many are enough for the whole part. */
const lookMs = 200;
const looks = 2_000;
const patienceMs = 120_000;

export interface TakeoverReport {
  readonly callsUnderWay: number;
  readonly unknownMs: { readonly first: number; readonly all: number };
  readonly runsOfTheDead: number;
  readonly runsMs: { readonly first: number; readonly all: number };
  readonly payments: number;
}

/** kill -9 of one of three nodes: until others have put its calls on record as unknown, and drive its runs. */
export async function takeover(
  cluster: Postgres,
  workspace: (name: string) => string,
): Promise<TakeoverReport> {
  const bank = await Child.start("../cluster/bank.ts", String(lookMs));
  const database = await Database.on(cluster);
  const looker = fileURLToPath(new URL("looker.ts", import.meta.url));
  const nodes = await Nodes.start({
    directory: workspace("takeover"),
    database: database.url,
    count: 3,
    tool: "bank__look",
    yaml: `servers: { bank: { url: "http://127.0.0.1:${String(bank.said)}/mcp", era: modern, concurrencyMax: 1000, callTimeout: 5m, tools: { look: { class: read } } } }
agents: { looker: { module: ${JSON.stringify(looker)}, version: "1" } }`,
  });
  const atBank = () => bank.ask({}) as Promise<BankState>;
  try {
    for (let at = 0; at < runs; at++) {
      const node = nodes.all[at % nodes.all.length] as ServeNode;
      const name = `run-${at}`;
      await nodes.admin(node, "POST", "/agents/looker/runs", { name, input: { run: name, looks } });
    }
    await until(
      "all runs look",
      patienceMs,
      async () => Object.keys((await atBank()).lookers).length === runs,
    );
    const victim = busiest(nodes.all, (await atBank()).lookers);
    const survivor = nodes.all.find((node) => node !== victim) as ServeNode;
    for (let at = 0; at < callsUnderWay; at++) void pay(victim, nodes.agentToken, at);
    await until(
      "the payments are under way",
      patienceMs,
      async () => (await atBank()).payments === callsUnderWay,
    );
    const { lookers } = await atBank();
    const orphans = Object.keys(lookers).filter((run) => lookers[run] === victim.pid);

    await victim.kill9();
    const killedAt = performance.now();
    const since = () => performance.now() - killedAt;
    const [unknownMs, runsMs] = await Promise.all([
      firstAndAll("unknown calls", callsUnderWay, since, async () => {
        const { items } = await nodes.admin<{ items: readonly unknown[] }>(
          survivor,
          "GET",
          "/calls/unknown?limit=500",
        );
        return items.length;
      }),
      firstAndAll("runs elsewhere", orphans.length, since, async () => {
        const now = (await atBank()).lookers;
        return orphans.filter((run) => now[run] !== victim.pid).length;
      }),
    ]);
    const { payments } = await atBank();
    const report = { callsUnderWay, unknownMs, runsOfTheDead: orphans.length, runsMs, payments };
    print(report);
    return report;
  } finally {
    await nodes.stop();
    await bank.end();
    await database.drop();
  }
}

function busiest(nodes: readonly ServeNode[], lookers: BankState["lookers"]): ServeNode {
  const driven = (node: ServeNode) => Object.values(lookers).filter((pid) => pid === node.pid).length;
  return nodes.toSorted((a, b) => driven(b) - driven(a))[0] as ServeNode;
}

async function pay(node: ServeNode, token: string, at: number): Promise<void> {
  await fetch(`${node.url}/mcp`, {
    method: "POST",
    headers: { ...mcpHeaders(token), "Mcp-Method": "tools/call", "Mcp-Name": "bank__pay" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: at,
      method: "tools/call",
      params: { name: "bank__pay", arguments: { run: `payment-${at}`, by: 0 }, _meta: clientMeta },
    }),
  }).catch(() => null); // its node dies
}

async function firstAndAll(
  what: string,
  wanted: number,
  since: () => number,
  count: () => Promise<number>,
): Promise<{ first: number; all: number }> {
  let first: number | null = null;
  await until(what, patienceMs, async () => {
    const now = await count();
    if (now > 0) first ??= since();
    return now >= wanted;
  });
  return { first: first ?? since(), all: since() };
}

function print({ unknownMs, runsOfTheDead, runsMs, payments }: TakeoverReport): void {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  console.log("\n(c) one of three nodes killed with -9");
  row("", ["first", "all"], "goal: one lease (15 s) and a look (2 s)");
  row(`${callsUnderWay} calls on record as unknown`, [seconds(unknownMs.first), seconds(unknownMs.all)]);
  row(`${runsOfTheDead} of ${runs} runs driven elsewhere`, [seconds(runsMs.first), seconds(runsMs.all)]);
  row("payments that the bank was sent", ["", String(payments)], `${callsUnderWay}`);
}
