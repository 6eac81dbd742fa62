import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunOptions, Step } from "../../sdk/index.ts";
import { ContextExhausted, RunEnded, connect } from "../../sdk/index.ts";
import { endOf, showRun, startHosted, workersOf } from "../fixtures/hosted-worker.ts";
import { ModelServer } from "../fixtures/model-server.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Runs that outgrow their context window or their tokens, over whole nodes, killed at each point of it. */
const bank = new CountingServer();
const model = new ModelServer();
let directory: string;
let node: NodeProcess;

const talker = fileURLToPath(new URL("../fixtures/hosted-talker.ts", import.meta.url));
const start = async (more = "") => {
  node = await NodeProcess.start({
    directory,
    yaml: `
servers: { bank: { url: "${bank.url}" } }
agents:
  talker: { module: ${JSON.stringify(talker)}, version: "1", env: { MODEL_URL: "${model.url}" }${more} }
`,
  });
};
const restart = async (more?: string) => {
  await node.stop();
  await start(more);
};

beforeAll(async () => {
  await bank.start();
  await model.start();
  directory = newDirectory();
  await start();
  await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await node.stop();
  await model.stop();
  await bank.stop();
  removeDirectory(directory);
});

const talk = (name: string, turns: number) => startHosted(node, "talker", { input: { name, turns }, name });
const stateIs = (run: string, state: string) => until(async () => (await showRun(node, run)).state === state);
const paymentsOf = (name: string) =>
  bank.received.filter(({ args }) => args["to"] === name).map(({ args }) => args["amount"]);
const turnsOf = (name: string) => model.asked.filter(({ body }) => body["name"] === name);
const stepsOf = async (run: string) => {
  const { body } = await node.admin<{ items: { step: string; method: string }[] }>(
    "GET",
    `/runs/${run}/steps?limit=200`,
  );
  return body.items.map(({ step, method }) => `${step} ${method}`);
};
interface Standing {
  readonly run: string;
  readonly isAlive: boolean;
  readonly tokens: { readonly used: number; readonly max: number | null };
  readonly waitsFor: readonly {
    readonly signal: string;
    readonly reason: string | null;
    readonly answers: readonly string[];
    readonly leftMs: number | null;
  }[];
}
const standing = async (run: string) => (await node.admin<Standing>("GET", `/runs/${run}`)).body;
/** It stands in front of a person, and is out of memory. */
const isAsking = (run: string) =>
  until(async () => {
    const { isAlive, waitsFor } = await standing(run);
    return !isAlive && waitsFor.some(({ reason }) => reason !== null);
  });
const decide = (run: string, signal: string, payload: unknown) =>
  node.admin("POST", `/runs/${run}/signals/${signal}`, { payload });

describe("a hosted run whose conversation finds no room", () => {
  test("is made shorter by its agent, as a step, and goes on; nothing is paid twice", async () => {
    const run = await talk("compacted", 4);
    await stateIs(run, "finished");
    expect(paymentsOf("compacted")).toEqual([1, 2, 3, 4]);
    const steps = await stepsOf(run);
    expect(steps).toEqual(
      expect.arrayContaining([
        "turn-3 steps/exhausted",
        "turn-3.compact-1 steps/model",
        "turn-3.again-1 steps/model",
        "turn-4 steps/model",
      ]),
    );
    expect((await endOf(node, run)).result).toEqual(["5 before", "answer to 1", "question 4", "answer to 3"]);
    expect((await standing(run)).tokens).toEqual({ used: 4 * 10 + 2, max: null });
  });

  test("killed with -9 in the middle of that, it meets the same turn again, and asks no model twice for what is on record", async () => {
    const killWorkers = () => {
      for (const pid of workersOf(node)) process.kill(pid, "SIGKILL");
    };
    const compactions = model.count("/compact");
    model.isSilent = (path) => path === "/compact";
    const run = await talk("killed", 4);
    await until(() => model.count("/compact") === compactions + 1);
    // It is made shorter in the next attempt, which dies when it asks for the same turn again.
    model.isSilent = (path, messages) => path === "/turn" && messages[0] === "5 before";
    killWorkers();
    await until(() => turnsOf("killed").length === 4);
    model.isSilent = () => false;
    killWorkers();
    await stateIs(run, "finished");
    expect(paymentsOf("killed")).toEqual([1, 2, 3, 4]);
    expect(model.count("/compact")).toBe(compactions + 2);
    expect(turnsOf("killed").map(({ body }) => (body["messages"] as readonly unknown[]).length)).toEqual([
      1, 3, 5, 1, 1, 3,
    ]);
  });

  test("stands in front of a person by policy, also when the node dies, and does what they say", async () => {
    await restart(", onContextExhausted: escalate");
    const run = await talk("asked", 4);
    await isAsking(run);
    const { waitsFor } = await standing(run);
    expect(waitsFor).toMatchObject([
      {
        signal: "go-on.turn-3",
        reason: 'the model\'s context window has no room (5000 tokens of 4000), at step "turn-3"',
        answers: ["compact", "retry", "end"],
      },
    ]);
    expect(waitsFor[0]?.leftMs).toBeGreaterThan(6 * 24 * 3_600_000);
    await node.kill9();
    await start(", onContextExhausted: escalate");
    expect((await decide(run, "go-on.turn-3", { do: "whatever" })).status).toBe(400);
    model.window = 100; // somebody has given it a larger model
    await decide(run, "go-on.turn-3", { do: "retry" });
    await stateIs(run, "finished");
    model.window = 4;
    expect(paymentsOf("asked")).toEqual([1, 2, 3, 4]);
    expect(await stepsOf(run)).toEqual(
      expect.arrayContaining(["turn-3.asked-1 steps/signal", "turn-3.again-1 steps/model"]),
    );

    const other = await talk("shortened", 3);
    await isAsking(other);
    await decide(other, "go-on.turn-3", { do: "compact" });
    await stateIs(other, "finished");
    const last = await talk("ended", 3);
    await isAsking(last);
    await decide(last, "go-on.turn-3", { do: "end", reason: "not worth it" });
    await stateIs(last, "failed");
    expect(await endOf(node, last)).toEqual({ reason: "not worth it" });
    expect(paymentsOf("ended")).toEqual([1, 2]);
  });

  test("fails by policy, with the reason", async () => {
    await restart(", onContextExhausted: fail");
    const run = await talk("failed", 4);
    await stateIs(run, "failed");
    expect((await endOf(node, run)).reason).toContain("no room (5000 tokens of 4000)");
    expect(paymentsOf("failed")).toEqual([1, 2]);
  });
});

describe("a run with a budget of tokens", () => {
  test("that is used up stands in front of a person, who raises it or ends the run; nothing is done again", async () => {
    await restart(", tokens: { max: 15 }");
    const [run, other] = [await talk("thrifty", 3), await talk("stopped", 3)];
    await isAsking(run);
    await isAsking(other);
    const { waitsFor, tokens } = await standing(run);
    expect(tokens).toEqual({ used: 20, max: 15 });
    const [wait] = waitsFor;
    expect(wait).toMatchObject({ signal: "go-on.turn-3", answers: ["raise", "end"] });
    expect(wait?.reason).toContain("the run has used 20 tokens of 15");
    await node.kill9();
    await start(", tokens: { max: 15 }");
    expect((await decide(run, "go-on.turn-3", { do: "raise", tokensMax: 20 })).status).toBe(400);
    expect((await node.admin("POST", `/runs/${run}/tokens`, { max: 20 })).status).toBe(400);
    expect((await node.admin("POST", `/runs/${run}/tokens`, { max: 25 })).status).toBe(200);
    await stateIs(run, "finished");
    expect((await standing(run)).tokens).toEqual({ used: 32, max: 25 });
    const more = await talk("generous", 4);
    await isAsking(more);
    await decide(more, "go-on.turn-3", { do: "raise", tokensMax: 500 });
    await stateIs(more, "finished");
    expect((await standing(more)).tokens).toEqual({ used: 40 + 2, max: 500 });
    expect(paymentsOf("generous")).toEqual([1, 2, 3, 4]);
    await decide(other, "go-on.turn-3", { do: "end" });
    await stateIs(other, "failed");
    expect(paymentsOf("thrifty")).toEqual([1, 2, 3]);
    expect(paymentsOf("stopped")).toEqual([1, 2]);
    expect(turnsOf("stopped")).toHaveLength(2);
  });
});

describe("an attached run", () => {
  const killed = new Error("killed");
  const attached = <T>(name: string, work: (step: Step) => Promise<T>, options: RunOptions = {}) =>
    connect({ url: node.url, token: node.agentToken }).run(name, work, options);
  const tooLong = Object.assign(new Error("prompt is too long: 9 tokens > 8 maximum"), { status: 400 });

  /** One turn that finds no room for more than two messages; `dieAt` is where its process is killed, in each attempt another point. */
  const points = ["in the call", "in the compaction", "after it", "in the call again", "after all"] as const;
  const turn = (log: string[], dieAt: (typeof points)[number] | null) => {
    const at = (point: (typeof points)[number]) => {
      log.push(point);
      if (point === dieAt) throw killed;
    };
    const options: RunOptions = {
      compact: (messages: readonly string[]) => {
        at("in the compaction");
        return { output: messages.slice(-1) };
      },
    };
    const work = async (step: Step) => {
      await step.tool("pay", "bank__pay", { to: "attached", amount: 1 });
      const said = await step.model("turn", {
        messages: ["a", "b", "c"],
        memory: "talk",
        onCompacted: () => at("after it"),
        call: (messages) => {
          at(messages.length === 3 ? "in the call" : "in the call again");
          if (messages.length > 2) throw tooLong;
          return { output: messages.join() };
        },
      });
      at("after all");
      return said;
    };
    return { work, options };
  };

  test("killed at each point of a compaction goes on from there, and keeps both conversations by their digests", async () => {
    const logs: string[][] = [];
    for (const point of points) {
      const log: string[] = [];
      logs.push(log);
      const { work, options } = turn(log, point);
      await expect(attached("points", work, options)).rejects.toBe(killed);
    }
    const { work, options } = turn([], null);
    expect(await attached("points", work, options)).toBe("c");
    expect(logs).toEqual([
      ["in the call"],
      ["in the call", "in the compaction"],
      ["in the compaction", "after it"],
      ["after it", "in the call again"],
      ["after it", "in the call again", "after all"],
    ]);
    expect(bank.received.filter(({ args }) => args["to"] === "attached")).toHaveLength(1);
    const { items } = (await node.admin<{ items: { run: string; name: string }[] }>("GET", "/runs")).body;
    const run = items.find(({ name }) => name === "points")?.run ?? "";
    const { body } = await node.admin<{ items: { step: string; entry: string }[] }>(
      "GET",
      `/runs/${run}/steps`,
    );
    const entry = body.items.find(({ step }) => step === "turn.compact-1")?.entry;
    const opened = await node.admin<{ payload: { result: string } }>(
      "GET",
      `/runs/${run}/entries/${entry}/payload`,
    );
    const { before, after } = JSON.parse(opened.body.payload.result) as { before: string; after: string };
    const slot = async (digest: string) => {
      const response = await fetch(`${node.url}/api/v1/runs/points/memory/talk?digest=${digest}`, {
        headers: { authorization: `Bearer ${node.agentToken}` },
      });
      return ((await response.json()) as { memory: { content: unknown } }).memory.content;
    };
    expect([await slot(before), await slot(after)]).toEqual([["a", "b", "c"], ["c"]]);
  });

  test("that compacts in vain asks a person after so many times", async () => {
    const asked: unknown[] = [];
    const running = attached(
      "in-vain",
      (step) =>
        step.model("turn", {
          messages: ["a"],
          call: () => {
            asked.push(1);
            throw new ContextExhausted({ needed: 9, limit: 8 });
          },
        }),
      { compact: (messages) => ({ output: messages }), compactionsMax: 2 },
    );
    running.catch(() => undefined);
    let run = "";
    await until(async () => {
      const { items } = (await node.admin<{ items: (Standing & { name: string })[] }>("GET", "/runs")).body;
      const found = items.find(({ name }) => name === "in-vain");
      run = found?.run ?? "";
      return typeof found?.waitsFor[0]?.reason === "string";
    });
    expect(asked).toHaveLength(3);
    await decide(run, "go-on.turn", { do: "end" });
    await expect(running).rejects.toBeInstanceOf(RunEnded);
  });

  test("whose budget is used up by a step beside this one keeps the answer that it has paid for", async () => {
    let [asked, release] = [0, () => {}];
    const isReleased = new Promise<void>((resolve) => (release = resolve));
    const slow = async () => {
      asked++;
      await isReleased;
      return { output: "slow", tokens: { input: 1, output: 1 } };
    };
    const running = attached(
      "beside",
      async (step) => {
        const second = step.model("second", slow);
        await until(() => asked === 1);
        await step.model("first", () => ({ output: "first", tokens: { input: 50, output: 50 } }));
        release();
        return second;
      },
      { tokensMax: 10 },
    );
    let run = "";
    await until(async () => {
      const { items } = (await node.admin<{ items: (Standing & { name: string })[] }>("GET", "/runs")).body;
      const found = items.find(({ name }) => name === "beside");
      run = found?.run ?? "";
      return found?.waitsFor[0]?.signal === "go-on.second";
    });
    await decide(run, "go-on.second", { do: "raise", tokensMax: 1_000 });
    expect(await running).toBe("slow");
    expect(asked).toBe(1);
    expect((await standing(run)).tokens).toEqual({ used: 102, max: 1_000 });
  });
});
