import { chmodSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fleet } from "../fixtures/fleet.ts";
import type { Answer, NodeProcess } from "../fixtures/node-process.ts";
import { newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** What docs/operate/backup.md tells the operator of a database that keeps a base backup and its log. */
let bank: CountingServer;
let archive: string;
let cluster: Postgres;
let restored: Postgres | null = null;
let fleet: Fleet;
let url: string;
beforeAll(async () => {
  bank = await new CountingServer().start();
  archive = newDirectory();
  chmodSync(archive, 0o777); // the server is another user
  cluster = await Postgres.start({
    fsync: false,
    settings: {
      archive_mode: "on",
      archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
      archive_timeout: "60",
    },
  });
  url = await cluster.createDatabase();
  fleet = new Fleet(() => url);
});
afterAll(async () => {
  await fleet.stop();
  await bank.stop();
  await cluster.stop();
  await restored?.stop();
  removeDirectory(archive);
});

const numbers = [0, 1];
const start = async () => {
  await fleet.start(numbers, { yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  for (const number of numbers) await fleet.node(number).toolsAre(["bank__pay"]);
};
const stop = async () => {
  for (const number of numbers) await fleet.node(number).stop();
};
const pay = (node: NodeProcess, run: string, name: string): Promise<Answer> =>
  node.call(
    "bank__pay",
    { to: `${run}-${name}`, amount: 1 },
    { meta: { [metaKeys.run]: run, [metaKeys.step]: name } },
  );
const payAll = async (run: string, names: readonly string[]) => {
  const answers = await Promise.all(names.map((name, n) => pay(fleet.node(n % 2), run, name)));
  expect(answers.map(({ code, isError }) => ({ code, isError }))).toEqual(
    names.map(() => ({ code: null, isError: false })),
  );
  return answers.map(({ receipt }) => receipt);
};
const names = (prefix: string) => Array.from({ length: 20 }, (_, n) => `${prefix}-${n}`);

test("a database that is brought back to a moment from its archive has what was before it, and what came later waits for people", async () => {
  await start();
  const before = await payAll("payroll", names("before"));
  const base = await cluster.baseBackup();
  before.push(...(await payAll("payroll", names("since-the-base"))));
  const [moment] = await cluster.sql("SELECT clock_timestamp()::text AS at");
  await payAll("payroll", names("later"));
  await payAll("made-later", names("later"));
  const [segment] = await cluster.sql("SELECT pg_walfile_name(pg_switch_wal()) AS name");
  await until(async () => {
    const [archiver] = await cluster.sql("SELECT last_archived_wal AS name FROM pg_stat_archiver");
    return String(archiver?.["name"] ?? "") >= String(segment?.["name"]);
  });
  await stop();
  await cluster.kill();
  const paid = bank.count("pay");

  restored = await cluster.restored(base, {
    restore_command: `cp ${archive}/%f %p`,
    recovery_target_time: String(moment?.["at"]),
    recovery_target_action: "promote",
  });
  const there = new URL(url);
  there.port = String(restored.port);
  url = there.href;
  await start();
  for (const number of numbers) {
    const node = fleet.node(number);
    const { body } = await node.admin("GET", "/review");
    expect(body).toMatchObject({ review: { reason: "lost" } });
    expect(await pay(node, "payroll", "later-1")).toMatchObject({ code: "run-in-review", effect: "unknown" });
    expect(await pay(node, "made-later", "later-1")).toMatchObject({ code: "run-in-review" });
  }
  const log = await fleet.node(0).admin<{ items: { method: string }[] }>("GET", "/audit/entries?limit=200");
  expect(log.body.items.filter(({ method }) => method === "admin.review.begin")).toHaveLength(1);
  expect(bank.count("pay")).toBe(paid);

  // Whoever has compared with the bank's list releases, and what is on record is given back.
  await fleet.node(1).admin("POST", "/review/release", { reason: "compared with the bank's list" });
  await until(
    async () => (await fleet.node(0).admin<{ review: unknown }>("GET", "/review")).body.review === null,
  );
  const again = await payAll("payroll", [...names("before"), ...names("since-the-base")]);
  expect(again).toEqual(before);
  expect(bank.count("pay")).toBe(paid);
  await payAll("payroll", ["after"]);
  await stop();

  // It was dealt with: the next start finds nothing.
  await start();
  expect((await fleet.node(0).admin("GET", "/review")).body).toEqual({ review: null });
  await stop();
  await provenLedger({ postgres: url }, before);
}, 180_000);
