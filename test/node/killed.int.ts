import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let directory: string;
beforeAll(async () => {
  bank = await new CountingServer().start();
  directory = newDirectory();
});
afterAll(async () => {
  await bank.stop();
  removeDirectory(directory);
});

const order = () => ({
  directory,
  yaml: `
servers:
  bank: { url: "${bank.url}", concurrencyMax: 500, callTimeout: 20s, tools: { look: { class: read } } }
limits: { callsInFlightMax: 2000, perPrincipalCallsMax: 1000 }
`,
});

const step = (name: string) => ({ meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } });
const key = (name: string) => ({ meta: { [metaKeys.key]: name } });

/** Sixty steps, sixty keys, thirty calls without a name, sixty reads. */
const wave = (node: NodeProcess, prefix: string): Map<string, Promise<Answer | null>> => {
  const calls = new Map<string, Promise<Answer | null>>();
  const add = (name: string, call: Promise<Answer>) =>
    calls.set(
      name,
      call.catch(() => null), // the connection was lost: not acknowledged
    );
  for (let i = 0; i < 60; i++) {
    add(
      `step-${i}`,
      node.call("bank__pay", { to: `${prefix}-step-${i}`, amount: 1 }, step(`${prefix}-${i}`)),
    );
    add(`key-${i}`, node.call("bank__pay", { to: `${prefix}-key-${i}`, amount: 1 }, key(`${prefix}-${i}`)));
    add(`look-${i}`, node.call("bank__look", { what: `${prefix}-look-${i}` }));
    if (i < 30) add(`plain-${i}`, node.call("bank__pay", { to: `${prefix}-plain-${i}`, amount: 1 }));
  }
  return calls;
};

const paid = (to: string): number => bank.received.filter(({ args }) => args["to"] === to).length;

describe("a node that is killed with -9 while two hundred calls are in flight", () => {
  const acknowledged: Answer[] = [];

  test("keeps all it acknowledged, sends nothing twice, and says unknown of what it cannot know", async () => {
    const first = await NodeProcess.start(order());
    await first.toolsAre(["bank__pay", "bank__look"]);

    // Some are answered before the end, the rest when they are all dispatched or queued.
    const early = [...wave(first, "early").values()];
    for (const answer of await Promise.all(early)) {
      expect(answer).toMatchObject({ status: 200, isError: false });
      if (answer !== null) acknowledged.push(answer);
    }
    bank.hold();
    const before = bank.received.length;
    const late = wave(first, "late");
    // Killed while intents are being written and calls are being dispatched: not all of them have arrived.
    await until(() => bank.received.length >= before + 60);
    await first.kill9();
    for (const answer of await Promise.all(late.values())) if (answer !== null) acknowledged.push(answer);
    bank.release();
    const received = bank.received.length;

    const second = await NodeProcess.start(order());
    await second.toolsAre(["bank__pay", "bank__look"]);
    const unknown = (await second.admin<{ items: { call: string }[] }>("GET", "/calls/unknown?limit=500"))
      .body.items;
    expect(unknown.length).toBeGreaterThan(0);
    expect(second.log).toContain("unknown outcome");
    expect(bank.received.length).toBe(received); // nothing was sent by itself

    // The clients ask again for everything that has a name, with the same name.
    let outcomeUnknown = 0;
    for (const prefix of ["early", "late"]) {
      for (let i = 0; i < 60; i++) {
        for (const [to, options] of [
          [`${prefix}-step-${i}`, step(`${prefix}-${i}`)],
          [`${prefix}-key-${i}`, key(`${prefix}-${i}`)],
        ] as const) {
          const again = await second.call("bank__pay", { to, amount: 1 }, options);
          if (again.code === null) expect(again.isError).toBe(false);
          else expect(again).toMatchObject({ code: "outcome-unknown", effect: "unknown" });
          if (again.code === "outcome-unknown") {
            outcomeUnknown++;
            expect(again.text).toContain("A person must resolve it");
            expect(unknown.map(({ call }) => call)).toContain(again.receipt?.entry.split(":")[0]);
          }
          if (prefix === "early") expect(again.code).toBeNull();
          acknowledged.push(again);
          expect(paid(to)).toBeLessThanOrEqual(1);
          if (again.code === null) expect(paid(to)).toBe(1);
        }
      }
    }
    expect(outcomeUnknown).toBeGreaterThan(0);
    // What arrived and was not acknowledged is unknown, with a name or without.
    const arrived = bank.received.filter(
      ({ tool, args }) => tool === "pay" && String(args["to"]).startsWith("late"),
    );
    const named = arrived.filter(({ args }) => !String(args["to"]).includes("plain"));
    expect(named.length).toBeGreaterThan(0);
    for (const { args } of arrived) expect(paid(String(args["to"]))).toBe(1);

    // The same payment without a name is not made again while nobody knows whether it was.
    const plain = arrived.find(({ args }) => String(args["to"]).includes("plain"));
    if (plain !== undefined) {
      const again = await second.call("bank__pay", plain.args);
      expect(again).toMatchObject({ code: "identical-call-open", effect: "none" });
      expect(paid(String(plain.args["to"]))).toBe(1);
      acknowledged.push(again);
    }
    await second.stop();

    const ledger = await provenLedger(
      directory,
      acknowledged.map(({ receipt }) => receipt),
    );
    expect(ledger.dispatched).toEqual([]);
    expect(ledger.unknown.map(({ call }) => call).toSorted()).toEqual(
      unknown.map(({ call }) => call).toSorted(),
    );
    expect(outcomesOf(ledger, "unknown")).toHaveLength(unknown.length);
    // No effect arrived upstream without an intent on disk before it: as many intents as effects, at least.
    const intents = ledger.entries.filter(({ kind }) => kind === "intent");
    expect(intents.length).toBeGreaterThanOrEqual(bank.count("pay"));
  });

  test("and killed again while it starts, is as whole as before", async () => {
    const before = await provenLedger(directory);
    for (const words of ["policies are in force", "connected to a server"]) {
      await NodeProcess.killWhenItSays(order(), words);
    }
    const node = await NodeProcess.start(order());
    const { body } = await node.admin<{ items: unknown[] }>("GET", "/calls/unknown?limit=500");
    expect(body.items).toHaveLength(before.unknown.length);
    await node.stop();
    const after = await provenLedger(
      directory,
      acknowledged.map(({ receipt }) => receipt),
    );
    expect(after.entries.slice(0, before.entries.length)).toEqual(before.entries);
    expect(outcomesOf(after, "unknown")).toHaveLength(before.unknown.length);
  });

  test("and a person can settle what is unknown", async () => {
    const node = await NodeProcess.start(order());
    const { body } = await node.admin<{ items: { call: string }[] }>("GET", "/calls/unknown?limit=500");
    const [done, retry] = body.items.map(({ call }) => call);
    const settle = (call: string | undefined, resolution: string) =>
      node.admin<{ detail?: string }>("POST", `/calls/${call}/resolve`, {
        resolution,
        reason: "looked at the books",
      });
    expect((await settle(done, "done")).status).toBe(200);
    // Too early: the intent might still be on its way to being dispatched, as far as anybody knows.
    const early = await settle(retry, "retry");
    expect([200, 409]).toContain(early.status);
    expect((await settle(done, "done")).status).toBe(404);
    await node.stop();
    await provenLedger(directory);
  });
});
