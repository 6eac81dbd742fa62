import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../sdk/index.ts";
import { diaryOf, runAgent, startAgent, startProgram } from "../fixtures/agent-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let directory: string;
let node: NodeProcess;
beforeAll(async () => {
  bank = await new CountingServer().start();
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

const steps = 3;
const stepsOfAll = 1 + 3 * steps;
const order = (run: string, dieAfter: number | null = null) => {
  const diary = join(directory, `${run}.diary`);
  writeFileSync(diary, "", { flag: "a" });
  return { url: node.url, token: node.agentToken, run, steps, dieAfter, diary };
};
const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

/** One request of an agent for its own run. */
async function own(method: string, path: string, body?: unknown) {
  const response = await fetch(`${node.url}/api/v1/runs/${path}`, {
    method,
    headers: { authorization: `Bearer ${node.agentToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // The tests look into answers.
  return { status: response.status, body: (await response.json()) as Readonly<Record<string, any>> }; // oxlint-disable-line typescript/no-explicit-any
}

describe("an agent on the SDK", () => {
  test.each(Array.from({ length: stepsOfAll }, (_, k) => k + 1))(
    "killed with -9 after %i of its steps and started again does each effect once and gives one result",
    async (k) => {
      const run = `killed-${k}`;
      expect(await runAgent(order(run, k))).toEqual({ result: null, error: null });
      const after = await runAgent(order(run));
      expect(after.error).toBeNull();
      for (let n = 0; n < steps; n++) expect(paid(`${run}-${n}`)).toBe(1);
      const diary = diaryOf(order(run).diary);
      expect(diary).toEqual(Array.from({ length: steps }, (_, n) => `model ${n}`));
      // And once more, when it is over: the same result, and nothing is done.
      expect(await runAgent(order(run))).toEqual(after);
      expect(diaryOf(order(run).diary)).toEqual(diary);
      for (let n = 0; n < steps; n++) expect(paid(`${run}-${n}`)).toBe(1);
    },
  );

  test("killed after every single step of its life comes to the end that an undisturbed one comes to", async () => {
    let lives = 0;
    let report = await runAgent(order("cat", 2));
    for (; report.result === null && lives < 20; lives++) {
      // Recorded steps come back, so each life gets a step or two further.
      report = await runAgent(order("cat", lives + 3));
    }
    const calm = await runAgent(order("calm"));
    const shape = (result: unknown) =>
      (result as { readonly rounds: readonly { readonly amount: number }[] }).rounds.map(
        ({ amount }) => amount,
      );
    expect(shape(report.result)).toEqual(shape(calm.result));
    for (let n = 0; n < steps; n++) expect(paid(`cat-${n}`)).toBe(1);
  });

  test("killed while its payment is at the bank joins that payment when it starts again", async () => {
    bank.hold();
    const first = startAgent(order("midway"));
    await until(() => paid("midway-0") === 1);
    first.child.kill("SIGKILL");
    await first.ended;
    const second = startAgent(order("midway"));
    await until(async () => (await own("GET", "midway/state")).body["attempt"] === 2);
    bank.release();
    expect((await second.ended).error).toBeNull();
    for (let n = 0; n < steps; n++) expect(paid(`midway-${n}`)).toBe(1);
  });

  test("whose program takes the steps out of their object has them all the same", async () => {
    const connection = { url: node.url, token: node.agentToken };
    // oxlint-disable-next-line typescript/unbound-method -- that they are bound is what this is about
    const given = await connect(connection).run("apart", async ({ tool, model, value, uuid, now }) => {
      const amount = await model("ask", () => ({ output: 7 }));
      await tool("pay", "bank__pay", { to: "apart", amount });
      return {
        amount,
        twice: await value("twice", () => 2 * amount),
        id: await uuid("id"),
        at: await now("at"),
      };
    });
    expect(given).toEqual({ amount: 7, twice: 14, id: expect.any(String), at: expect.any(Number) });
    expect(paid("apart")).toBe(1);
  });

  test("that was replaced by a newer process is told so, and does nothing more", async () => {
    bank.hold();
    const old = startAgent(order("twice"));
    await until(() => paid("twice-0") === 1);
    const newer = await own("POST", "twice/attach", {});
    expect(newer.body).toMatchObject({ attempt: 2, state: "open", isNew: false });
    bank.release();
    const { error } = await old.ended;
    expect(error).toMatchObject({ name: "StaleAttempt", code: "stale-attempt", effect: "none" });
    expect(paid("twice-1")).toBe(0);
    expect((await runAgent({ ...order("twice"), attempt: 2 })).error).toBeNull();
    expect(paid("twice-0")).toBe(1);
    const stale = await runAgent({ ...order("twice"), attempt: 1 });
    expect(stale.error).toBeNull(); // the run is over, and its result is anybody's of the owner
  });

  test("whose program has changed under a recorded step is stopped at that step, by name", async () => {
    await runAgent(order("drifts", 5));
    const changed = { ...order("drifts"), question: "how little?" };
    const { error } = await runAgent(changed);
    expect(error).toMatchObject({ name: "StepDrift", code: "step-mismatch", effect: "none", step: "ask-0" });
    expect(error?.message).toContain("on record as a model made from something else");
    expect(paid("drifts-1")).toBe(0);
    expect((await runAgent(order("drifts"))).error).toBeNull();
    expect(paid("drifts-1")).toBe(1);
  });

  test("that gives up for good ends its run, and a start after that says why", async () => {
    const failing = { ...order("gives-up"), fails: "the books do not balance" };
    for (const report of [await runAgent(failing), await runAgent(order("gives-up"))]) {
      expect(report.error).toMatchObject({ name: "RunEnded", code: "run-ended" });
      expect(report.error?.message).toContain("the books do not balance");
    }
    expect(await own("GET", "gives-up/state")).toMatchObject({
      body: { state: "failed", isAlive: false, end: { reason: "the books do not balance" } },
    });
  });
});

describe("an agent that waits", () => {
  const start = (run: string, sleepMs: number, more: object = {}) =>
    startProgram("waiting-agent-program.ts", {
      url: node.url,
      token: node.agentToken,
      run,
      sleepMs,
      ...more,
    });
  const waitsOf = async (run: string) => {
    const { status, body } = await own("GET", `${run}/state`);
    return status === 200 ? (body["waitsFor"] as { kind: string; leftMs: number | null }[]) : [];
  };
  const killWhileItWaitsFor = async (run: string, sleepMs: number, kind: string) => {
    const agent = start(run, sleepMs);
    await until(async () => (await waitsOf(run))[0]?.kind === kind);
    const [wait] = await waitsOf(run);
    agent.child.kill("SIGKILL");
    await agent.ended;
    return wait;
  };

  test("killed in its sleep sleeps on until the same instant when it starts again", async () => {
    const before = await killWhileItWaitsFor("sleeper", 3_600_000, "timer");
    const after = await killWhileItWaitsFor("sleeper", 3_600_000, "timer");
    expect(after?.leftMs).toBeLessThan(before?.leftMs ?? 0);
    expect(await waitsOf("sleeper")).toHaveLength(1);
  });

  test("killed while it waits is given the signal that came when it was dead, and what it remembered", async () => {
    expect(await killWhileItWaitsFor("waiter", 1, "signal")).toMatchObject({ leftMs: null });
    const { body } = await node.admin<{ items: { name: string; run: string }[] }>("GET", "/runs?limit=500");
    const id = body.items.find(({ name }) => name === "waiter")?.run;
    const send = (amount: number) =>
      node.admin<{ error?: { code: string } }>("POST", `/runs/${id}/signals/paid`, { payload: { amount } });
    expect((await send(3)).status).toBe(200);
    expect((await send(4)).body.error?.code).toBe("conflict");
    const expected = { paid: { isTimedOut: false, payload: { amount: 3 } }, starts: 2 };
    expect(await start("waiter", 1).ended).toEqual({ result: expected, error: null });
    expect(await start("waiter", 1).ended).toEqual({ result: expected, error: null });
    expect((await send(5)).body.error?.code).toBe("run-ended");
  });

  test("for something that does not come goes on without it", async () => {
    const { result } = await start("impatient", 1, { timeoutMs: 1 }).ended;
    expect(result).toEqual({ paid: { isTimedOut: true, payload: null }, starts: 1 });
  });
});

describe("the agent's own routes", () => {
  test("a tool call under a local step's key, and a local step under a tool call's, are drift", async () => {
    const { body } = await own("POST", "mixed/attach", {});
    const attempt = Number(body["attempt"]);
    const value = { attempt, kind: "value", output: 1 };
    expect((await own("PUT", "mixed/steps/a", value)).body).toMatchObject({ output: 1, wasRecorded: false });
    const named = (step: string) => ({ meta: { "dev.signalbox/run": "mixed", "dev.signalbox/step": step } });
    const call = await node.call("bank__pay", { to: "mixed", amount: 1 }, named("a"));
    expect(call).toMatchObject({ code: "step-mismatch", effect: "none" });
    expect(await node.call("bank__pay", { to: "mixed", amount: 1 }, named("b"))).toMatchObject({
      code: null,
    });
    const refused = await own("PUT", "mixed/steps/b", value);
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "step-mismatch" } } });
    expect(refused.body["error"].detail).toContain('step "b" is on record as tools/call of pay');
    expect(paid("mixed")).toBe(1);
  });

  test("nothing is called any more in a run that has ended", async () => {
    await own("POST", "over/attach", {});
    await own("POST", "over/end", { attempt: 1, state: "finished", result: null });
    const meta = { "dev.signalbox/run": "over", "dev.signalbox/step": "late" };
    expect(await node.call("bank__pay", { to: "over", amount: 1 }, { meta })).toMatchObject({
      code: "run-ended",
    });
    expect(paid("over")).toBe(0);
  });

  test.each([
    ["another word for a kind", "PUT", "strict/steps/a", { attempt: 1, kind: "wish", output: 1 }, 400],
    ["no attempt", "PUT", "strict/steps/a", { kind: "value", output: 1 }, 400],
    ["a member nobody knows", "POST", "strict/attach", { hurry: true }, 400],
    [
      "a key of forbidden characters",
      "PUT",
      "strict/steps/a%20b",
      { attempt: 1, kind: "value", output: 1 },
      400,
    ],
    ["an end with both", "POST", "strict/end", { attempt: 1, state: "failed", result: 1 }, 400],
    ["a look without an attempt", "GET", "strict/steps/a", undefined, 400],
    ["a method that is not there", "POST", "strict/steps/a", {}, 404],
    ["a run that nobody attached", "PUT", "nowhere/steps/a", { attempt: 1, kind: "value", output: 1 }, 404],
    ["a path of nothing", "GET", "strict/wishes", undefined, 404],
  ])("%s is refused", async (_, method, path, body, status) => {
    const reply = await own(method, path, body);
    expect([reply.status, reply.body["error"].effect]).toEqual([status, "none"]);
  });

  test("without a token nothing is shown, not even whether the run is there", async () => {
    const response = await fetch(`${node.url}/api/v1/runs/strict/state`);
    expect(response.status).toBe(401);
  });

  test("and at the end the ledger proves itself, steps and runs included", async () => {
    await node.stop();
    const ledger = await provenLedger(directory);
    const kinds = new Set(ledger.entries.map(({ kind }) => kind));
    expect(kinds).toContain("step");
    expect(kinds).toContain("run");
    expect(ledger.dispatched).toEqual([]);
    expect(ledger.unknown).toEqual([]);
  });
});
