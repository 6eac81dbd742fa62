import { afterAll, beforeAll, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { presentVersion } from "../fixtures/next-tables.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory, until } from "../fixtures/node-process.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let cluster: Postgres;
let url: string;
const directory = newDirectory();
beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start({ fsync: false })]);
  url = await cluster.createDatabase();
});
afterAll(async () => {
  await bank.stop();
  await cluster.stop();
  removeDirectory(directory);
});

const agents = 8;
/** Steps that have to be through before the next node is replaced. */
const stepsBetween = 40;

async function started(hasNextTables: boolean): Promise<NodeProcess> {
  const yaml = `servers: { bank: { url: "${bank.url}", concurrencyMax: 200, tools: { look: { class: read } } } }\n`;
  const node = await NodeProcess.start({ directory, postgres: url, hasNextTables, yaml });
  await node.toolsAre(["bank__pay"]);
  return node;
}

/** Agents that pay step after step at whichever node is up, and ask again until they have an answer. */
class Load {
  readonly nodes: NodeProcess[] = [];
  readonly receipts: Answer["receipt"][] = [];
  readonly done: string[] = [];
  readonly wrong: string[] = [];
  private isOver = false;
  private readonly running: Promise<void>[] = [];

  start(): void {
    for (let agent = 0; agent < agents; agent++) this.running.push(this.agent(agent));
  }

  /** So many more steps have been done. */
  async goesOn(): Promise<void> {
    const wanted = this.done.length + stepsBetween;
    await until(() => this.done.length >= wanted || this.wrong.length > 0, 60_000);
    expect(this.wrong).toEqual([]);
  }

  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
  }

  private async agent(agent: number): Promise<void> {
    for (let n = 0; !this.isOver && this.wrong.length === 0; n++) {
      const step = `${agent}-${n}`;
      const answer = await this.paid(agent, step);
      if (answer === null) return;
      this.done.push(step);
      this.receipts.push(answer.receipt);
    }
  }

  private async paid(agent: number, step: string): Promise<Answer | null> {
    const meta = { [metaKeys.run]: `run-${agent}`, [metaKeys.step]: step };
    for (let tries = 0; tries < 2_000; tries++) {
      const node = this.nodes[(agent + tries) % this.nodes.length];
      const answer = await node?.call("bank__pay", { to: step, amount: 1 }, { meta }).catch(() => null);
      if (answer?.code === null && answer.rpcCode === null && !answer.isError) return answer;
      // A node that stops refuses, or is gone: the same step goes to another. Unknown it may not become: every node stops in order.
      if (answer?.code === "outcome-unknown") break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.wrong.push(step);
    return null;
  }
}

/** One more is up before the old one leaves, as a roll-out does it. */
async function replaced(load: Load, hasNextTables: boolean): Promise<void> {
  const next = await started(hasNextTables);
  const [old] = load.nodes;
  load.nodes.push(next);
  await load.goesOn();
  load.nodes.shift();
  await old?.stop();
  await load.goesOn();
}

async function dataVersion(): Promise<number> {
  const database = new URL(url).pathname.slice(1);
  const rows = await cluster.sql(
    "SELECT value FROM signalbox.store_meta WHERE name = 'dataVersion'",
    database,
  );
  return Number(rows[0]?.["value"]);
}

test("two nodes on PostgreSQL are upgraded and rolled back one by one under load, and every step is done once", async () => {
  const load = new Load();
  load.nodes.push(await started(false), await started(false));
  load.start();
  await load.goesOn();
  expect(await dataVersion()).toBe(presentVersion);

  await replaced(load, true); // widens the tables beside the older one that writes to them
  expect(await dataVersion()).toBe(presentVersion + 1);
  await replaced(load, true);
  await replaced(load, false); // and back, on the data of the newer version
  await replaced(load, false);
  expect(await dataVersion()).toBe(presentVersion + 1);

  await load.end();
  expect(load.wrong).toEqual([]);
  const paid = bank.received.filter(({ tool }) => tool === "pay").map(({ args }) => String(args["to"]));
  expect(paid.toSorted()).toEqual(load.done.toSorted());
  for (const node of load.nodes) await node.stop();
  await provenLedger({ postgres: url }, load.receipts);
}, 240_000);
