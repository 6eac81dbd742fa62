import { afterAll, beforeAll, expect, test } from "vitest";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Machine } from "./machine.fixture.ts";

const sdk = pathToFileURL(join(import.meta.dirname, "../../sdk/index.ts")).href;
let machine: Machine;
beforeAll(async () => {
  machine = new Machine();
  machine.put(
    "work/fails.ts",
    `import { defineAgent } from ${JSON.stringify(sdk)};
export default defineAgent({ name: "fails", version: "1", run: async () => { throw new Error("the books are closed"); } });`,
  );
  machine.put(
    "work/stumbles.ts",
    machine.read("work/fails.ts").replace('"fails"', '"stumbles"').replace("closed", "away"),
  );
  machine.put(
    "work/signalbox.yaml",
    `agents:
  fails: { module: fails.ts, version: "1", startsMax: 1 }
  stumbles: { module: stumbles.ts, version: "1", retries: { pause: 10m, pauseMax: 10m } }
log: { level: warn }
`,
  );
  await machine.node(["dev", "--no-import", "--port", "0", "--config", "signalbox.yaml", "--json"]);
  for (const name of ["a", "b", "c"]) await machine.json(["runs", "start", "fails", "--name", name]);
  await all(3);
});
afterAll(() => machine.end());

interface Letters {
  readonly items: readonly { readonly name: string; readonly lastError?: string; readonly starts: number }[];
}
/** Until so many are dead. */
async function all(count: number): Promise<Letters> {
  for (let looks = 0; looks < 60; looks++) {
    const letters = await machine.json<Letters>(["runs", "dead"]);
    if (letters.items.length === count) return letters;
  }
  throw new Error(`${count} runs did not die`);
}

test("dead letters are listed with their reason, and with what their agent said when somebody asks", async () => {
  const table = await machine.run(["runs", "dead", "--no-json"]);
  expect(table.stdout).toMatch(/^c\s+started too often without getting on\s+fails\s+1\s+20\S+ .*run_/m);
  expect(table.stdout).not.toContain("the books");
  const { items } = await machine.json<Letters>(["runs", "dead", "--errors", "--limit", "2"]);
  expect(items).toMatchObject([
    { name: "c", lastError: expect.stringContaining("Error: the books are closed") as string },
    { name: "b" },
  ]);
  const shown = await machine.run(["runs", "show", "a", "--no-json", "--payload"]);
  expect(shown.stdout).toMatch(/dead\s+started too often/);
  expect(shown.stdout).toMatch(
    /reason\s+its agent was started once and did not get on: Error: the books are closed/,
  );
  const doctor = await machine.json<{ findings: readonly { id: string; state: string; what: string }[] }>([
    "doctor",
    "--config",
    "signalbox.yaml",
  ]);
  expect(doctor.findings.find(({ id }) => id === "runs")).toMatchObject({
    state: "warning",
    what: "3 runs are dead: nothing of them goes on by itself",
  });
  const tail = await machine.run(["runs", "tail", "a", "--no-json"]);
  expect([tail.code, tail.stdout]).toEqual([1, expect.stringMatching(/^dead {2}evt_/m)]);
});

test("of an open run, too, it is shown what its agent said, long before it is dead", async () => {
  await machine.json(["runs", "start", "stumbles", "--name", "open"]);
  let shown = await machine.json<{ state: string; lastError?: string }>([
    "runs",
    "show",
    "open",
    "--payload",
  ]);
  for (let looks = 0; looks < 60 && shown.lastError === undefined; looks++)
    shown = await machine.json(["runs", "show", "open", "--payload"]);
  expect(shown).toMatchObject({
    state: "open",
    lastError: expect.stringContaining("Error: the books are away") as string,
  });
  const { stdout } = await machine.run(["runs", "show", "open", "--no-json"]);
  expect(stdout).toMatch(/lost\s+once lately: --payload says why/);
  expect(stdout).not.toContain("the books");
});

test("a deadline that is no number of seconds starts nothing", async () => {
  const ran = await machine.run(["runs", "start", "stumbles", "--name", "never", "--deadline", "4h"]);
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("--deadline")]);
});

test("they are retried by name or all at once, and dropped with a reason", async () => {
  const one = await machine.run(["runs", "retry", "a", "--no-json"]);
  expect([one.code, one.stdout]).toEqual([0, expect.stringContaining("a is tried again.")]);
  await all(3);
  const many = await machine.json<{ items: readonly { error: string | null }[] }>([
    "runs",
    "retry",
    "--all",
    "--limit",
    "100",
  ]);
  expect(many.items.map(({ error }) => error)).toEqual([null, null, null]);
  await all(3);
  await machine.json(["runs", "drop", "a", "--reason", "paid by hand"]);
  const again = await machine.run(["runs", "retry", "a", "b"]);
  expect(again.code).toBe(1);
  expect(JSON.parse(again.stdout)).toMatchObject({
    items: [
      { name: "a", receipt: null, error: expect.stringContaining("failed") as string },
      { name: "b", error: null },
    ],
  });
  expect((await machine.run(["runs", "retry"])).code).toBe(2);
  expect((await machine.run(["runs", "retry", "b", "--all"])).code).toBe(2);
  expect((await machine.run(["runs", "drop", "b"])).code).toBe(2);
  expect((await machine.run(["runs", "retry", "b", "--deadline", "4h"])).code).toBe(2);
  const ended = await machine.run(["runs", "resume", "a"]);
  expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining("failed")]);
});
