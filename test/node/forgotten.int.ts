import { afterAll, beforeAll, expect, test } from "vitest";
import { Fleet } from "../fixtures/fleet.ts";
import { until } from "../fixtures/until.ts";
import { Postgres } from "../fixtures/postgres.ts";

let cluster: Postgres;
let fleet: Fleet;
let url: string;
beforeAll(async () => {
  cluster = await Postgres.start();
  url = await cluster.createDatabase();
  fleet = new Fleet(url);
  await fleet.start([0, 1], { yaml: "" });
});
afterAll(async () => {
  await fleet.stop();
  await cluster.stop();
});

test("a node that goes by configuration which its database has forgotten ends", async () => {
  const limitsOf = async (number: number) =>
    (await fleet.node(number).admin<{ version: number }>("GET", "/limits")).body.version;
  expect((await fleet.node(0).admin("PUT", "/limits", { perPrincipalCallsMax: 7 })).status).toBe(200);
  await until(async () => (await limitsOf(1)) === 1);
  // As if they had been lost with a standby that lagged: nothing that the second node has written is gone.
  const database = new URL(url).pathname.slice(1);
  for (const table of ["registry_limits", "registry_change"])
    await cluster.sql(`DELETE FROM signalbox.${table}`, database);
  await fleet.node(1).dead();
  expect(fleet.node(1).log).toContain("the database has forgotten changes of configuration");
});
