import { afterAll, beforeAll, expect, test } from "vitest";
import { presentVersion } from "../fixtures/next-tables.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { Load } from "./load.fixture.ts";

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

async function started(versionsAhead: 0 | 1): Promise<NodeProcess> {
  const yaml = `servers: { bank: { url: "${bank.url}", concurrencyMax: 200, tools: { look: { class: read } } } }\n`;
  const node = await NodeProcess.start({ directory, postgres: url, versionsAhead, yaml });
  await node.toolsAre(["bank__pay"]);
  return node;
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
  load.nodes.push(await started(0), await started(0));
  load.start();
  await load.goesOn();
  expect(await dataVersion()).toBe(presentVersion);

  await load.replaceOldest(await started(1)); // widens the tables beside the older one that writes to them
  expect(await dataVersion()).toBe(presentVersion + 1);
  await load.replaceOldest(await started(1));
  await load.replaceOldest(await started(0)); // and back, on the data of the newer version
  await load.replaceOldest(await started(0));
  expect(await dataVersion()).toBe(presentVersion + 1);

  await load.cameThrough(bank, url);
}, 240_000);
