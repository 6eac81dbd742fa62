import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../src/cli/machine.fixture.ts";
import { until } from "./fixtures/until.ts";

/** What stands in examples/, run as a reader would. */
const examples = join(import.meta.dirname, "../examples");
const config = join(examples, "signalbox.yaml");
// The example starts its server with `node`, as it is found on PATH: here, the one that runs this test.
const env = { PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };

let machine: Machine;
beforeAll(() => {
  machine = new Machine();
});
afterAll(() => machine.end());

describe("the examples", () => {
  test("policy tests pass without a node", async () => {
    const tests = join(examples, "policies/tests.yaml");
    const ran = await machine.json<{ ok: boolean; files: readonly { passed: number }[] }>([
      "policy",
      "test",
      tests,
      "--config",
      config,
    ]);
    expect(ran).toMatchObject({ ok: true, files: [{ passed: 6, failed: 0 }] });
  });

  test("agent.ts lists, calls, is given the same booking again, and reads why it was refused", async () => {
    const data = join(machine.work, ".signalbox");
    const { said } = await machine.node(
      ["dev", "--config", config, "--data", data, "--no-import", "--port", "0", "--json"],
      env,
    );
    expect(said.servers).toMatchObject([{ name: "books", state: "healthy", tools: 2 }]);

    const first = await agent(said.url, said.token);
    expect(first).toMatch(/^MCP 2026-07-28\ntools: books__book_invoice, books__list_invoices\n/);
    expect(first).toContain("booked: Booked 2026-0417 over 249.5, as booking 1.");
    expect(first).toContain("again:  Booked 2026-0417 over 249.5, as booking 1.");
    expect(first).toContain(", the same again: true");
    expect(first).toContain(
      "forbidden by small-invoices-only (Invoices of 1000 and more are booked by people)",
    );
    expect(first).toContain('{"code":"denied","cause":"policy","retry":"never","effect":"none"}');

    // The agent is started anew, as after a crash: its step is on record, and nothing is booked twice.
    expect(await agent(said.url, said.token)).toBe(first);
    const calls = await machine.json<{ items: readonly { outcome: { kind: string } }[] }>(["calls", "ls"]);
    expect(calls.items.filter(({ outcome }) => outcome.kind === "succeeded")).toHaveLength(1);

    // The durable one is killed after its second booking, started again, and once more when it has finished.
    const killed = await program("durable-agent.ts", said.url, said.token, { DIE_AFTER: "2026-0502" });
    expect(killed).toMatchObject({ isKilled: true, stdout: "" });
    const resumed = await program("durable-agent.ts", said.url, said.token);
    expect(resumed.stderr).toBe("asking the model about 2026-0503\n");
    const result = JSON.parse(resumed.stdout) as { booked: readonly string[] };
    expect(result.booked.map((text) => text.slice(-11))).toEqual(
      ["booking 2.", "booking 3.", "booking 4."].map((text) => ` ${text}`),
    );
    expect(await program("durable-agent.ts", said.url, said.token)).toEqual({ ...resumed, stderr: "" });

    // The chief has clerks book in its name, and is gone while they do.
    const months = JSON.stringify({ months: [["2026-0504"], ["2026-0505", "2026-0506"]] });
    const started = ["runs", "start", "chief", "--name", "may", "--input", months];
    await machine.json(started);
    interface Shown {
      readonly state: string;
      readonly end?: { readonly result?: string };
      readonly childRuns: readonly { readonly name: string; readonly state: string }[];
    }
    const show = () => machine.json<Shown>(["runs", "show", "may", "--payload"]);
    await until(async () => (await show()).state === "finished");
    const { end, childRuns } = await show();
    expect(childRuns.map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      "may.clerk-0 finished",
      "may.clerk-1 finished",
    ]);
    await machine.json(["runs", "start", "writer", "--name", "novel", "--input", '{"chapters": 6}']);
    const novel = () =>
      machine.json<
        Shown & { readonly tokens: unknown; readonly steps: readonly { readonly step: string }[] }
      >(["runs", "show", "novel"]);
    await until(async () => (await novel()).state === "finished");
    const { tokens, steps } = await novel();
    expect(steps.map(({ step }) => step)).toContain("chapter-4.again-1");
    expect(tokens).toMatchObject({ max: 10_000 });
    const perClerk = (JSON.parse(end?.result ?? "[]") as readonly (readonly string[])[]).map(
      (all) => all.length,
    );
    expect(perClerk).toEqual([1, 2]);

    const policies = await machine.json<{ trouble: unknown; warnings: readonly unknown[] }>([
      "policy",
      "show",
    ]);
    expect(policies).toMatchObject({ trouble: null, warnings: [] });
  });
});

const agent = async (url: string, token: string): Promise<string> => {
  const { stdout, stderr, isKilled } = await program("agent.ts", url, token);
  if (isKilled) throw new Error(stdout + stderr);
  return stdout;
};

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly isKilled: boolean;
}

function program(name: string, url: string, token: string, more: Record<string, string> = {}): Promise<Ran> {
  const options = { env: { ...env, SIGNALBOX_URL: url, SIGNALBOX_TOKEN: token, ...more } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [join(examples, name)], options, (error, stdout, stderr) => {
      const isKilled = error?.signal === "SIGKILL";
      if (error === null || isKilled) resolve({ stdout, stderr, isKilled });
      else reject(new Error(stdout + stderr));
    });
  });
}
