import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyReceipt } from "../../src/ledger/index.ts";
import { SmallWitness } from "../../src/ledger/witness.fixture.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { WitnessServer } from "../fixtures/witness-server.ts";

let bank: CountingServer;
let outside: WitnessServer;
const directories = [newDirectory(), newDirectory()];
const [directory = "", early = ""] = directories;
beforeAll(async () => {
  [bank, outside] = await Promise.all([new CountingServer().start(), new WitnessServer().start()]);
});
afterAll(async () => {
  await Promise.all([bank.stop(), outside.stop()]);
  for (const each of directories) removeDirectory(each);
});

const order = () => ({
  directory,
  yaml: `${outside.yaml}servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }\n`,
});

async function started(): Promise<NodeProcess> {
  const node = await NodeProcess.start(order());
  await node.toolsAre(["bank__pay"]);
  return node;
}
const pay = (node: NodeProcess, to: string): Promise<Answer> => node.call("bank__pay", { to, amount: 1 });
const entryOf = (answer: Answer): string => encodeURIComponent(answer.receipt?.entry ?? "");
const covered = (): number =>
  Math.max(
    0,
    ...[...outside.witness.seen].filter(([name]) => name.endsWith("/default")).map(([, { size }]) => size),
  );
const standing = async (node: NodeProcess): Promise<string> => (await node.page("/metrics")).text;

test("a node has its log co-signed, calls do not wait for a witness that is down, and a log put back is contradicted aloud", async () => {
  const first = await started();
  // It does not know the log yet: that is an alert, and calls go on.
  expect(await pay(first, "unknown-log")).toMatchObject({ isError: false });
  await until(() => first.log.includes("a witness does not co-sign the log"));
  const verifierKey = (await first.page("/api/v1/audit/key")).text;
  outside.knows(verifierKey);
  await until(() => covered() > 0);
  const paid = await pay(first, "witnessed");
  let proof = "";
  await until(async () => {
    const found = await first.page(`/api/v1/receipts/${entryOf(paid)}?witnessed=true`);
    proof = found.text;
    return found.status === 200;
  });
  const witnessKeys = [outside.witness.keyText];
  expect(verifyReceipt(proof, { verifierKey: verifierKey.trim(), witnessKeys })).toMatchObject({ ok: true });
  expect(await standing(first)).toContain('signalbox_witness_logs{witness="outside",state="current"}');
  await first.stop();
  cpSync(join(directory, "data"), join(early, "data"), { recursive: true });

  const second = await started();
  const before = covered();
  expect(await pay(second, "later")).toMatchObject({ isError: false });
  await until(() => covered() > before);
  outside.isDown = true;
  expect(await pay(second, "down")).toMatchObject({ isError: false });
  await until(async () => (await standing(second)).includes('state="down"'));
  outside.isDown = false;
  await second.stop();

  // Somebody puts an earlier state in its place, with what the node itself remembers of the log.
  const seen = covered();
  rmSync(join(directory, "data"), { recursive: true });
  cpSync(join(early, "data"), join(directory, "data"), { recursive: true });
  const third = await started();
  await until(() => third.log.includes("A WITNESS CONTRADICTS THE LEDGER"));
  expect(await pay(third, "goes on")).toMatchObject({ isError: false });
  const state = await third.admin<{ witnesses: object[] }>("GET", "/audit/witnesses");
  expect(state.body.witnesses).toMatchObject([{ witness: "outside", state: "contradicts" }]);
  expect(covered()).toBe(seen);
  await third.stop();
}, 150_000);

test("an export of that node is proven by a stranger's program, which asks for the witness", async () => {
  const cli = join(import.meta.dirname, "../../src/cli/main.ts");
  const to = join(early, "export");
  const run = (program: string, ...args: string[]) =>
    execFileSync(process.execPath, [program, ...args]).toString();
  const data = join(early, "data");
  expect(run(cli, "audit", "export", "--offline", "--data", data, "--to", to, "--json")).toContain('"size"');
  const key = outside.witness.keyText;
  const own = run(cli, "audit", "verify", "--data", data, "--tenant", "default", "--witness", key, "--json");
  expect(JSON.parse(own)).toMatchObject({ isIntact: true, witnesses: [{ witness: "witness.example/w1" }] });
  const other = new SmallWitness("witness.example/w1").keyText;
  expect(() => run(cli, "audit", "verify", "--data", data, "--witness", other)).toThrow(/co-signed nothing/);
  const stranger = join(import.meta.dirname, "../../examples/verify-log.mjs");
  expect(run(stranger, to, "--witness", outside.witness.keyText)).toContain("witness     witness.example/w1");
});
