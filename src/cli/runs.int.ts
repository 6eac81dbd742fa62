import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Announced } from "./machine.fixture.ts";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;
let dev: Announced;
beforeAll(async () => {
  machine = new Machine();
  dev = (await machine.node(["dev", "--no-import", "--port", "0", "--json"])).said;
});
afterAll(() => machine.end());

/** What an agent does, without the SDK. */
async function own(method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${dev.url}/api/v1/runs/${path}`, {
    method,
    headers: { authorization: `Bearer ${dev.token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
}
const step = (run: string, key: string) =>
  own("PUT", `${run}/steps/${key}`, { attempt: 1, kind: "value", output: key });

describe("signalbox runs", () => {
  test("lists and shows runs with their steps in order and what they wait for", async () => {
    await own("POST", "nightly/attach", {});
    for (const key of ["b", "a"]) await step("nightly", key);
    await own("POST", "nightly/waits/pay", { attempt: 1, signal: "paid", timeoutMs: 3_600_000 });
    const table = await machine.run(["runs", "ls", "--no-json"]);
    expect(table.stdout).toMatch(
      /^nightly\s+open\s+.+\s1\s+waits for "paid", 60 min at most\s.*run_[0-9a-z]{26}$/m,
    );
    const shown = await machine.run(["runs", "show", "nightly", "--no-json"]);
    expect(shown.stdout).toMatch(/waits for\s+waits for "paid"/);
    expect(shown.stdout).toMatch(/\sb\s+value\s+recorded\s+step_\S+:0\n.*\sa\s+value\s+recorded/);
    const json = await machine.json<{ steps: readonly { step: string }[] }>(["runs", "show", "nightly"]);
    expect(json.steps.map(({ step }) => step)).toEqual(["b", "a"]);
  });

  test("sends a signal, which a step takes", async () => {
    await machine.json(["runs", "signal", "nightly", "paid", "--payload", '{"amount":3}']);
    const again = await machine.run(["runs", "signal", "nightly", "paid"]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("conflict")]);
    await own("POST", "nightly/waits/pay", { attempt: 1, signal: "paid" });
    const { steps } = await machine.json<{ steps: readonly { step: string; method: string }[] }>([
      "runs",
      "show",
      "nightly",
    ]);
    expect(steps.at(-1)).toMatchObject({ step: "pay", method: "steps/signal" });
    expect((await machine.run(["runs", "signal", "nightly", "x", "--payload", "{"])).code).toBe(2);
  });

  test("follows a run until it ends, and says with its exit code how", async () => {
    const tail = machine.run(["runs", "tail", "nightly", "--no-json"]);
    // It has looked more than once by then, with nothing to do in between.
    for (let looks = 0; looks < 2; looks++) await machine.run(["runs", "show", "nightly"]);
    await own("POST", "nightly/end", { attempt: 1, state: "finished", result: "done" });
    const { code, stdout } = await tail;
    expect(code).toBe(0);
    expect(stdout).toMatch(
      / {2}b {2}value {2}recorded\n.* {2}a {2}value {2}recorded\n.*pay.*\nfinished {2}evt_/,
    );
  });

  test("cancels a run with a reason", async () => {
    await own("POST", "weekly/attach", {});
    await machine.json(["runs", "cancel", "weekly", "--reason", "by mistake"]);
    expect(await machine.json(["runs", "ls", "--state", "cancelled"])).toMatchObject({
      items: [{ name: "weekly" }],
    });
    const { code, stdout } = await machine.run(["runs", "tail", "weekly", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ name: "weekly", state: "cancelled" });
    const shown = await machine.run(["runs", "show", "weekly", "--payload", "--no-json"]);
    expect(shown.stdout).toMatch(/reason\s+by mistake/);
    const missing = await machine.run(["runs", "show", "monthly"]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('no run "monthly"')]);
  });
});
