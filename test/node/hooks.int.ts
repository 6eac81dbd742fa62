import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { signatureOf } from "../fixtures/webhook-signature.ts";

const program = fileURLToPath(new URL("../fixtures/hooked-agent-program.ts", import.meta.url));
const secret = `whsec_${Buffer.from("a key of the tests, long enough").toString("base64")}`;

interface Told {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let bank: CountingServer;
let directory: string;
let node: NodeProcess;
const told: Told[] = [];
/** Somebody who is asked to start agents, and does nothing. */
const starter = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("end", () => {
    told.push({ headers: request.headers, body });
    response.writeHead(204).end();
  });
});
const orderFile = () => join(directory, "order.json");

beforeAll(async () => {
  bank = await new CountingServer().start();
  directory = newDirectory();
  await new Promise<void>((resolve) => starter.listen(0, "127.0.0.1", resolve));
  const { port } = starter.address() as AddressInfo;
  const yaml = `
servers:
  bank: { url: "${bank.url}" }
hooks:
  again: { agents: [tester], command: ${JSON.stringify(process.execPath)}, args: [${JSON.stringify(program)}, ${JSON.stringify(orderFile())}] }
  others: { agents: [somebody], command: "false" }
  away: { agents: [tester], url: "http://127.0.0.1:${port}/start?who=me", secret: "${secret}" }
`;
  node = await NodeProcess.start({ directory, yaml });
  await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  await new Promise((resolve) => starter.close(resolve));
  removeDirectory(directory);
});

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

/** Starts the program as a person would, and waits for its end. */
function startByHand(run: string, dieOn: string | null): Promise<string> {
  writeFileSync(orderFile(), JSON.stringify({ url: node.url, token: node.agentToken, dieOn }));
  const child = spawn(process.execPath, [program, orderFile(), run], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? String(code))));
}

async function own(method: string, path: string, body?: unknown) {
  const response = await fetch(`${node.url}/api/v1/runs/${path}`, {
    method,
    headers: { authorization: `Bearer ${node.agentToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as { state: string; end: { result: unknown } | null };
}
const finished = async (run: string) => (await own("GET", `${run}/state`)).state === "finished";

describe("a hook", () => {
  test("is there for those it names alone", async () => {
    expect(await own("POST", "foreign/attach", { hook: "others" })).toMatchObject({
      error: { code: "invalid-params" },
    });
  });

  test("starts the agent again that put itself to rest, when its timer is due", async () => {
    expect(await startByHand("rests", null)).toBe("0");
    expect(await finished("rests")).toBe(false);
    await until(() => finished("rests"));
    expect((await own("GET", "rests/state")).end?.result).toBe("start 1");
    expect([paid("rests-1"), paid("rests-2")]).toEqual([1, 1]);
  });

  test("starts the agent again that was killed, and each of its payments is made once", async () => {
    expect(await startByHand("dies", "0")).toBe("SIGKILL");
    expect([paid("dies-1"), paid("dies-2")]).toEqual([1, 0]);
    await until(() => finished("dies"));
    expect((await own("GET", "dies/state")).end?.result).toBe("start 1");
    expect([paid("dies-1"), paid("dies-2")]).toEqual([1, 1]);
  });

  test("asks somebody else to start an agent, signed so that he knows who asks", async () => {
    await own("POST", "elsewhere/attach", { hook: "away" });
    await own("PUT", "elsewhere/timers/nap", { attempt: 1, ms: 0 });
    await own("POST", "elsewhere/rest", { attempt: 1 });
    await until(() => told.length === 1);
    const [{ headers, body }] = told as [Told];
    expect(JSON.parse(body)).toMatchObject({
      type: "run.start",
      data: { name: "elsewhere", attempt: 1, start: 1 },
    });
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature } = headers;
    expect(signature).toBe(signatureOf(secret, String(id), String(at), body));
    expect(Math.abs(Date.now() / 1_000 - Number(at))).toBeLessThan(60);
  });
});
