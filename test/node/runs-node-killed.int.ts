import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startProgram } from "../fixtures/agent-process.ts";
import { NodeProcess, newDirectory, removeDirectory, until } from "../fixtures/node-process.ts";

let directory: string;
let node: NodeProcess | null = null;
/** The address that stays while nodes come and go; without a node it hangs up. */
const door = createServer((request, response) => {
  if (node === null) return void request.socket.destroy();
  const { method, url, headers } = request;
  const onward = forward(`${node.url}${url}`, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response).on("error", () => undefined);
    answer.on("error", () => response.destroy());
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
});
beforeAll(async () => {
  directory = newDirectory();
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  door.closeAllConnections();
  await new Promise((resolve) => door.close(resolve));
  await node?.stop();
  removeDirectory(directory);
});

test("an agent goes on by itself when its node is killed with -9 and another one starts on the same data", async () => {
  node = await NodeProcess.start({ directory });
  const token = node.agentToken;
  const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  const agent = startProgram("waiting-agent-program.ts", { url, token, run: "survivor", sleepMs: 1 });
  const stateOf = async (of: NodeProcess) => {
    const response = await fetch(`${of.url}/api/v1/runs/survivor/state`, {
      headers: { authorization: `Bearer ${of.agentToken}` },
    });
    return (await response.json()) as { run: string; attempt: number; waitsFor?: { kind: string }[] };
  };
  const first = node;
  await until(async () => (await stateOf(first)).waitsFor?.[0]?.kind === "signal");

  node = null;
  await first.kill9();
  const second = await NodeProcess.start({ directory });
  node = second;
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
