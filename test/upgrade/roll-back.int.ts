import { afterAll, beforeAll, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
const directory = newDirectory();
beforeAll(async () => (bank = await new CountingServer().start()));
afterAll(async () => {
  await bank.stop();
  removeDirectory(directory);
});

const receipts: Answer["receipt"][] = [];

async function paysAndEnds(name: string, versionsAhead: 0 | 1, how: "stop" | "kill9"): Promise<void> {
  const node = await NodeProcess.start({
    directory,
    versionsAhead,
    yaml: `servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }\n`,
  });
  await node.toolsAre(["bank__pay"]);
  for (const step of ["first", name]) {
    const meta = { [metaKeys.run]: "payroll", [metaKeys.step]: step };
    const answer = await node.call("bank__pay", { to: step, amount: 1 }, { meta });
    expect(answer).toMatchObject({ isError: false, code: null });
    receipts.push(answer.receipt);
  }
  await node[how]();
}

test("on SQLite the present version opens what the next one has widened, goes on, and is followed by it again", async () => {
  await paysAndEnds("before", 0, "stop");
  await paysAndEnds("upgraded", 1, "stop");
  await paysAndEnds("rolled-back", 0, "kill9");
  await paysAndEnds("upgraded-again", 1, "kill9");
  await paysAndEnds("rolled-back-again", 0, "stop");
  const paid = bank.received.filter(({ tool }) => tool === "pay").map(({ args }) => args["to"]);
  expect(paid).toEqual(["first", "before", "upgraded", "rolled-back", "upgraded-again", "rolled-back-again"]);
  await provenLedger(directory, receipts);
});
