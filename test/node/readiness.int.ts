import { afterAll, beforeAll, expect, test } from "vitest";
import { Cut } from "../../src/store/postgres/cut.fixture.ts";
import { Fleet } from "../fixtures/fleet.ts";
import type { NodeProcess } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Two nodes on one database, the second with a cable of its own that can be pulled. */
let bank: CountingServer;
let cluster: Postgres;
let cable: Cut;
let fleet: Fleet;
/** A lease and what a busy machine adds. */
const leaseMs = 25_000;

beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start()]);
  cable = await Cut.before(cluster.port);
  const url = await cluster.createDatabase();
  fleet = new Fleet((number) => (number === 0 ? url : cable.through(url)));
  await fleet.start([0, 1], { yaml: `servers: { bank: { url: "${bank.url}" } }` });
  for (const node of fleet.nodes) await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await fleet.stop();
  await cable.close();
  await cluster.stop();
  await bank.stop();
});

const pages = ["/readyz", "/readyz/serving", "/healthz"];
const statusesOf = (node: NodeProcess) =>
  Promise.all(pages.map(async (path) => (await node.page(path)).status));
const says = (node: NodeProcess, ready: number) =>
  until(async () => (await statusesOf(node)).join() === [ready, ready, 200].join(), leaseMs);
const leaseAge = async (node: NodeProcess): Promise<number> =>
  Number(/^signalbox_lease_age_seconds (.*)$/m.exec((await node.page("/metrics")).text)?.[1]);

test("nodes whose database is away are not sent anything and not restarted, and come back by themselves", async () => {
  for (const node of fleet.nodes) await says(node, 200);
  await cluster.halt();
  for (const node of fleet.nodes) await says(node, 503);
  for (const node of fleet.nodes) {
    expect((await node.page("/readyz/serving")).text).toContain("the store takes no writes");
    expect(await leaseAge(node)).toBeGreaterThan(10);
  }
  await cluster.run();
  for (const node of fleet.nodes) {
    await says(node, 200);
    expect(await leaseAge(node)).toBeLessThan(10);
  }
  const [token] = fleet.nodes.map(({ agentToken }) => agentToken);
  for (const node of fleet.nodes) {
    const to = `after-${node.port}`;
    expect(await node.call("bank__pay", { to, amount: 1 }, { token: token ?? "" })).toMatchObject({
      code: null,
    });
  }
});

test("a node that alone is cut off from the database leaves its share to the others", async () => {
  cable.stall(true);
  await says(fleet.node(1), 503);
  expect(await statusesOf(fleet.node(0))).toEqual([200, 200, 200]);
});
