import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys, waitToolName } from "../../contract/index.ts";
import { paymentsAreApproved, pendingOf, setPolicies } from "../fixtures/approvals.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** A node that is told to stop while calls are under way. */
let bank: CountingServer;
let directory: string;
beforeEach(async () => {
  bank = await new CountingServer().start();
  directory = newDirectory();
});
afterEach(async () => {
  await bank.stop();
  removeDirectory(directory);
});

const start = (shutdownGrace: string) =>
  NodeProcess.start({
    directory,
    yaml: `
servers: { bank: { url: "${bank.url}", callTimeout: 10m, tools: { look: { class: read } } } }
limits: { shutdownGrace: ${shutdownGrace} }`,
  });

describe("a node that is told to stop", () => {
  test("lets calls under way finish, takes no new ones, and says that it is stopping", async () => {
    const node = await start("20s");
    await node.toolsAre(["bank__pay"]);
    bank.hold();
    const pending = Array.from({ length: 10 }, (_, i) => node.call("bank__pay", { to: `${i}`, amount: 1 }));
    await until(() => bank.count("pay") === 10);
    const stopping = node.stop();
    await until(async () => (await node.page("/readyz")).status === 503);
    expect((await node.page("/readyz")).text).toContain("shutting down");
    const late = await node.call("bank__pay", { to: "late", amount: 1 });
    expect(late).toMatchObject({ status: 503, code: "shutting-down", effect: "none" });
    bank.release();
    const answers = await Promise.all(pending);
    await stopping;
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, isError: false });
    expect(bank.count("pay")).toBe(10);
    const ledger = await provenLedger(
      directory,
      answers.map(({ receipt }) => receipt),
    );
    expect(ledger.dispatched).toEqual([]);
  });

  test("does not wait for people: whoever waits for their yes is told at once that it is still needed", async () => {
    const node = await start("20s");
    await node.toolsAre(["bank__pay"]);
    await setPolicies(node, paymentsAreApproved);
    const pending = pendingOf(await node.call("bank__pay", { to: "a", amount: 1 }));
    const waiting = node
      .call(waitToolName, { call: pending.call, seconds: 600 })
      .catch(() => "cut off after the grace");
    const underWay = async () =>
      (await node.admin<{ calls: { underWay: number } }>("GET", "/status")).body.calls.underWay;
    await until(async () => (await underWay()) === 1);
    await node.stop();
    expect(await waiting).toMatchObject({ status: 200, code: "approval-needed", effect: "none" });
  });

  test("ends although a server never answers; what it left is unknown, and is not sent again", async () => {
    const first = await start("1s");
    await first.toolsAre(["bank__pay"]);
    bank.hold();
    const named = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
    const pending = [
      first.call("bank__pay", { to: "named", amount: 1 }, { meta: named }),
      first.call("bank__pay", { to: "unnamed", amount: 1 }),
      first.call("bank__look", { what: "x" }),
    ].map((call) => call.catch(() => null));
    await until(() => bank.received.length === 3);
    await first.stop(); // waiting for the server would take ten minutes
    // Whoever is still told something is told that nobody knows.
    for (const answer of await Promise.all(pending))
      if (answer !== null) expect(answer.effect).toBe("unknown");
    bank.release();

    const second = await start("1s");
    await second.toolsAre(["bank__pay"]);
    expect((await second.admin<{ items: unknown[] }>("GET", "/calls/unknown")).body.items).toHaveLength(2);
    expect(await second.call("bank__pay", { to: "named", amount: 1 }, { meta: named })).toMatchObject({
      code: "outcome-unknown",
    });
    expect(bank.count("pay")).toBe(2);
    await second.stop();
    const ledger = await provenLedger(directory);
    expect(ledger.dispatched).toEqual([]);
    expect(outcomesOf(ledger, "unknown").filter(({ after }) => after !== null)).toHaveLength(2);
  });
});
