import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../src/cli/machine.fixture.ts";

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

    const policies = await machine.json<{ trouble: unknown; warnings: readonly unknown[] }>([
      "policy",
      "show",
    ]);
    expect(policies).toMatchObject({ trouble: null, warnings: [] });
  });
});

function agent(url: string, token: string): Promise<string> {
  const program = join(examples, "agent.ts");
  const options = { env: { ...env, SIGNALBOX_URL: url, SIGNALBOX_TOKEN: token } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stdout + stderr));
    });
  });
}
