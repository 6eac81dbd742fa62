import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { inputCheck } from "../agents/hosted-input.ts";

const read = (agent: string) =>
  readConfig({
    text: `agents:\n  clerk: { module: clerk.ts, version: "1", ${agent} }\n`,
    file: "/etc/signalbox/signalbox.yaml",
    env: { CURRENCY: "EUR" },
  });
const problemsOf = (agent: string) => {
  const config = read(agent);
  return config.ok ? [] : config.refusal.map(({ path, message }) => `${path}: ${message}`);
};

describe("a hosted agent's settings", () => {
  test("have defaults: a hundred losses a day, pauses from a second, no deadline of their own, any input", () => {
    const config = read("runsMax: 3");
    expect(config.ok && config.value.agents).toMatchObject([
      {
        name: "clerk",
        retries: { max: 100, withinMs: 86_400_000, pauseMs: 1_000, pauseMsMax: 900_000 },
        deadlineMs: null,
        input: { defaults: {}, schema: null },
      },
    ]);
  });

  test("are read with their units, and references in what runs are given", () => {
    const config = read(
      'retries: { max: 0, within: 2h, pause: 500ms, pauseMax: 1m }, deadline: 4h, input: { defaults: { currency: "${env:CURRENCY}" }, schema: { required: [amount] } }',
    );
    expect(config.ok && config.value.agents).toMatchObject([
      {
        retries: { max: 0, withinMs: 7_200_000, pauseMs: 500, pauseMsMax: 60_000 },
        deadlineMs: 14_400_000,
        input: { defaults: { currency: "EUR" }, schema: { required: ["amount"] } },
      },
    ]);
  });

  test.each([
    ["deadline: 31d", 'agents.clerk.deadline: "31d" is outside 1s to 30d'],
    ["retries: { within: 1s }", 'agents.clerk.retries.within: "1s" is outside 1m to 30d'],
    ["retries: { maximum: 1 }", 'agents.clerk.retries.maximum: there is no setting "maximum"'],
    ["retries: { pause: 5m, pauseMax: 1m }", "agents.clerk.retries.pause: is longer than pauseMax"],
    ["input: { schema: { type: banana } }", "agents.clerk.input.schema: cannot be used: schema is invalid"],
    ["input: { defaults: [1] }", "agents.clerk.input.defaults: a list is not a group of settings"],
  ])("%s is refused", (agent, problem) => {
    expect(problemsOf(agent)).toEqual([expect.stringContaining(problem)]);
  });
});

describe("the input of a run", () => {
  const check = inputCheck({
    defaults: { currency: "EUR", lines: 1 },
    schema: { type: "object", required: ["amount"], properties: { amount: { type: "number" } } },
  });

  test("is completed and then checked", () => {
    expect(check({ amount: 3, lines: 2 })).toEqual({
      ok: true,
      value: { currency: "EUR", lines: 2, amount: 3 },
    });
    for (const bad of [null, {}, { amount: "3" }, [], "x", 3])
      expect(check(bad)).toMatchObject({ ok: false, refusal: { code: "invalid-params" } });
    expect(check({})).toMatchObject({ refusal: { detail: 'input "amount" is missing' } });
  });

  test("is anything where nothing is said, and left as it was", () => {
    const any = inputCheck({ defaults: {}, schema: null });
    for (const input of [null, 3, "x", [1], { a: 1 }]) expect(any(input)).toEqual({ ok: true, value: input });
    const filled = inputCheck({ defaults: { a: 1 }, schema: null });
    expect([filled(null), filled([2])]).toMatchObject([{ value: { a: 1 } }, { value: [2] }]);
  });
});
