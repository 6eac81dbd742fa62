import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunOptions, Step } from "../../sdk/index.ts";
import { RecordedModel, connect } from "../../sdk/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let directory: string;
let node: NodeProcess;
beforeAll(async () => {
  bank = await new CountingServer().start();
  directory = newDirectory();
  await startNode();
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

async function startNode(): Promise<void> {
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
}

const url = "https://model.example/v1/chat/completions";
const attemptOn = <T>(run: string, work: (step: Step) => Promise<T>, options: RunOptions = {}) =>
  connect({ url: node.url, token: node.agentToken }).run(run, work, options);
/** Asks as a runtime's client of the model does. */
const ask = async ({ fetch }: RecordedModel, body: string) => {
  const response = await fetch(url, { method: "POST", headers: { "x-request-id": "other each time" }, body });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
};
const answers = (...texts: readonly string[]) => {
  const left = [...texts];
  return () =>
    Promise.resolve(new Response(left.shift(), { headers: { "content-type": "text/event-stream" } }));
};
const never = () => Promise.reject(new Error("the model was asked"));
const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;
const killed = new Error("killed");

describe("a recorded model", () => {
  test("gives back what its server said, streams too, without asking it again", async () => {
    const first = attemptOn("stream", async (step) => {
      const model = new RecordedModel(step, "writer", answers("data: one\n\ndata: [DONE]\n\n", "two"));
      await ask(model, '{"a":1,"b":2}');
      await ask(model, '{"a":2}');
      throw killed;
    });
    await expect(first).rejects.toBe(killed);
    const again = await attemptOn("stream", async (step) => {
      const model = new RecordedModel(step, "writer", never);
      return [await ask(model, '{ "b": 2, "a": 1 }'), await ask(model, '{"a":2}')];
    });
    const stream = { status: 200, type: "text/event-stream" };
    expect(again).toEqual([
      { ...stream, text: "data: one\n\ndata: [DONE]\n\n" },
      { ...stream, text: "two" },
    ]);
  });

  test("says what its server said when that is no, records nothing of it, and is asked again under the same step", async () => {
    const busy = () => Promise.resolve(new Response("busy", { status: 529 }));
    const first = attemptOn("busy", async (step) => {
      let tries = 0;
      const model = new RecordedModel(step, "model", () => (++tries === 1 ? busy() : answers("well")()));
      expect(await ask(model, "{}")).toMatchObject({ status: 529, text: "busy" });
      expect(await ask(model, "{}")).toMatchObject({ status: 200, text: "well" });
      throw killed;
    });
    await expect(first).rejects.toBe(killed);
    const again = attemptOn("busy", (step) => ask(new RecordedModel(step, "model", never), "{}"));
    expect(await again).toMatchObject({ status: 200, text: "well" });
  });

  test("that is asked something else than the time before stops its process, and no runtime asks again", async () => {
    const first = attemptOn("drifts", async (step) => {
      await ask(new RecordedModel(step, "model", answers("a")), '{"q":"a"}');
      throw killed;
    });
    await expect(first).rejects.toBe(killed);
    let heard = 0;
    const again = attemptOn("drifts", async (step) => {
      heard = (await ask(new RecordedModel(step, "model", never), '{"q":"b"}')).status;
      return "as if nothing had been";
    });
    await expect(again).rejects.toMatchObject({ name: "StepDrift", step: "model-1" });
    expect(heard).toBe(400);
  });

  test("answers nothing any more in a process that was stopped, in a way that no runtime asks again after", async () => {
    let heard = 0;
    const work = attemptOn("enough", async (step) => {
      step.stop(new Error("enough"));
      heard = (await ask(new RecordedModel(step, "model", never), "{}")).status;
    });
    await expect(work).rejects.toThrow("enough");
    expect(heard).toBe(400);
  });

  test("that is asked twice at once stops its process, because the order would not be the same again", async () => {
    const both = attemptOn("both", (step) => {
      const model = new RecordedModel(step, "model", answers("a", "b"));
      return Promise.all([ask(model, "1"), ask(model, "2")]);
    });
    await expect(both).rejects.toThrow('two requests to model "model" at once');
    const apart = await attemptOn("apart", (step) =>
      Promise.all(
        ["a", "b"].map((name) =>
          ask(new RecordedModel(step, name, answers(name)), name).then(({ text }) => text),
        ),
      ),
    );
    expect(apart).toEqual(["a", "b"]);
  });

  test("has its tool calls carried out once, under the ids it gave them", async () => {
    const work = (isLast: boolean) => async (step: Step) => {
      const model = new RecordedModel(step, "model", isLast ? never : answers('{"id":"call_7"}'));
      await ask(model, "{}");
      const { text } = await model.tool("call_7", "bank__pay", { to: "by-id", amount: 7 });
      if (!isLast) throw killed;
      return text;
    };
    await expect(attemptOn("by-id", work(false))).rejects.toBe(killed);
    expect(await attemptOn("by-id", work(true))).toBe('{"amount":7,"to":"by-id"}');
    expect(paid("by-id")).toBe(1);
  });

  test.each(["random-1", ""])(
    "does nothing under the id %j that it never gave, whatever the runtime makes of the error",
    async (id) => {
      const work = attemptOn(`made-up-${id}`, async (step) => {
        const model = new RecordedModel(step, "model", answers('{"tool":"bank__pay","content":""}'));
        await ask(model, "{}");
        await model.tool(id, "bank__pay", { to: "made-up", amount: 1 }).catch(() => "tool error");
        return "as if nothing had been";
      });
      await expect(work).rejects.toThrow(`tool call "${id}" is not in the newest answer`);
      expect(paid("made-up")).toBe(0);
    },
  );

  test("that gives two calls one id does the first, and stops at the second", async () => {
    const work = attemptOn("one-id", async (step) => {
      const model = new RecordedModel(step, "model", answers('"call_0"', '"call_0"'));
      for (const amount of [1, 2]) {
        await ask(model, `${amount}`);
        await model.tool("call_0", "bank__pay", { to: "one-id", amount }).catch(() => "tool error");
      }
      return "as if nothing had been";
    });
    await expect(work).rejects.toThrow("this key was used before in this attempt");
    expect(paid("one-id")).toBe(1);
  });

  test("stops its process where a tool call is not what it was, whatever the runtime makes of the error", async () => {
    const work = (amount: number, isLast: boolean) => async (step: Step) => {
      const model = new RecordedModel(step, "model", isLast ? never : answers('{"id":"call_7"}'));
      await ask(model, "{}");
      await model.tool("call_7", "bank__pay", { to: "other", amount }).catch(() => "tool error");
      if (!isLast) throw killed;
      return "as if nothing had been";
    };
    await expect(attemptOn("other", work(1, false))).rejects.toBe(killed);
    const again = attemptOn("other", work(2, true));
    await expect(again).rejects.toMatchObject({ name: "StepDrift", step: "model.call_7" });
    expect(paid("other")).toBe(1);
  });

  test("hears of a tool's schema as of any answer", async () => {
    const bad = await attemptOn("bad", async (step) => {
      const model = new RecordedModel(step, "model", answers('"call_1"'));
      await ask(model, "{}");
      const { isError, text } = await model.tool("call_1", "bank__pay", { to: "bad", amount: 0 });
      return { isError, text };
    });
    expect(bad).toEqual({ isError: true, text: expect.stringContaining("amount") });
    expect(paid("bad")).toBe(0);
  });

  test("has its name and tokens sent along", async () => {
    const body = { model: "small-1", usage: { prompt_tokens: 12, completion_tokens: 3 }, choices: [] };
    const sent: unknown[] = [];
    const box = connect({
      url: node.url,
      token: node.agentToken,
      fetch: (input, init) => {
        if (init?.method === "PUT" && typeof init.body === "string") sent.push(JSON.parse(init.body));
        return fetch(input, init);
      },
    });
    await box.run("tokens", async (step) => {
      await ask(new RecordedModel(step, "model", () => Promise.resolve(Response.json(body))), "{}");
    });
    expect(sent).toMatchObject([{ kind: "model", model: "small-1", tokens: { input: 12, output: 3 } }]);
  });

  test("is not told that its tool failed where nobody knows: its process stops until somebody has looked", async () => {
    const work = (answer: () => Promise<Response>) => async (step: Step) => {
      const model = new RecordedModel(step, "model", answer);
      await ask(model, "{}");
      await model.tool("call_1", "bank__pay", { to: "doubt", amount: 1 }).catch(() => "tool error");
      return "as if nothing had been";
    };
    bank.hold();
    const agent = new AbortController();
    const first = attemptOn("doubt", work(answers('"call_1"')), { signal: agent.signal });
    await until(() => paid("doubt") === 1);
    await node.kill9();
    agent.abort(killed);
    await expect(first).rejects.toBe(killed);
    bank.release();
    await startNode();
    const again = attemptOn("doubt", work(never));
    await expect(again).rejects.toMatchObject({
      name: "OutcomeUnknown",
      step: "model.call_1",
      effect: "unknown",
    });
    expect(paid("doubt")).toBe(1);
  });

  test("whose run has used up its tokens fails it by policy, whatever the runtime makes of that", async () => {
    const usage = '{"usage":{"input_tokens":5,"output_tokens":5}}';
    const spent = attemptOn(
      "spent",
      async (step) => {
        const model = new RecordedModel(step, "writer", answers(usage, usage));
        await ask(model, '{"a":1}');
        await ask(model, '{"a":2}').catch(() => undefined);
        return "as if nothing had been";
      },
      { tokensMax: 5, onContextExhausted: "fail" },
    );
    await expect(spent).rejects.toMatchObject({
      name: "RunEnded",
      message: expect.stringContaining("has used 10 tokens of 5") as string,
    });
  });
});
