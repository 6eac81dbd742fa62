import { afterAll, beforeAll, expect, test } from "vitest";
import { startProgram } from "../fixtures/agent-process.ts";
import { Door } from "../fixtures/door.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";

let directory: string;
const door = new Door();
beforeAll(async () => {
  directory = newDirectory();
  await door.start();
});
afterAll(async () => {
  await door.stop();
  await door.node?.stop();
  removeDirectory(directory);
});

test("an agent goes on by itself when its node is killed with -9 and another one starts on the same data", async () => {
  const first = await NodeProcess.start({ directory });
  door.node = first;
  const { url } = door;
  const token = first.agentToken;
  const agent = startProgram("waiting-agent-program.ts", { url, token, run: "survivor", sleepMs: 1 });
  const stateOf = async (of: NodeProcess) => {
    const response = await fetch(`${of.url}/api/v1/runs/survivor/state`, {
      headers: { authorization: `Bearer ${of.agentToken}` },
    });
    return (await response.json()) as { run: string; attempt: number; waitsFor?: { kind: string }[] };
  };
  await until(async () => (await stateOf(first)).waitsFor?.[0]?.kind === "signal");

  door.node = null;
  await first.kill9();
  const second = await NodeProcess.start({ directory });
  door.node = second;
  const { run, attempt } = await stateOf(second);
  const sent = await second.admin("POST", `/runs/${run}/signals/paid`, { payload: 3 });
  expect(sent.status).toBe(200);

  // The same process, with the same attempt: it noticed nothing but a pause.
  expect(await agent.ended).toEqual({
    result: { paid: { isTimedOut: false, payload: 3 }, starts: 1 },
    error: null,
  });
  expect(attempt).toBe(1);
  expect((await stateOf(second)).attempt).toBe(1);
});
