import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { Postgres } from "../fixtures/postgres.ts";

const secret = `whsec_${Buffer.from("a key of the tests, long enough").toString("base64")}`;
const runs = ["first", "second", "third", "fourth"];

/** Somebody who is asked to start agents, and remembers for which runs. */
class Starter {
  readonly asked: string[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        this.asked.push((JSON.parse(body) as { data: { name: string } }).data.name);
        response.writeHead(204).end();
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Two nodes that share the work by `node.roles`. The hook leads elsewhere on each, so that it is seen who starts agents. */
describe("of a node that serves and one that works", () => {
  const directory = newDirectory();
  const atDoor = new Starter();
  const atWorker = new Starter();
  let cluster: Postgres;
  let door: NodeProcess;
  let worker: NodeProcess;

  beforeAll(async () => {
    cluster = await Postgres.start({ fsync: false });
    const postgres = await cluster.createDatabase();
    const file = join(directory, "both.key");
    writeFileSync(file, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
    const start = async (name: string, roles: string, starter: Starter) =>
      NodeProcess.start({
        directory: join(directory, name),
        postgres,
        yaml: `
keys: { file: ${JSON.stringify(file)} }
node: { name: ${name}, roles: [${roles}] }
hooks:
  away: { agents: [tester], url: "${await starter.start()}", secret: "${secret}" }
`,
      });
    door = await start("door", "edge, console", atDoor);
    worker = await start("worker", "worker", atWorker);
  });
  afterAll(async () => {
    await door.stop();
    await worker.stop();
    await atDoor.stop();
    await atWorker.stop();
    await cluster.stop();
    removeDirectory(directory);
  });

  test("the one that works starts agents, whoever was told that they rest", async () => {
    for (const run of runs) {
      await own("POST", `${run}/attach`, { hook: "away" });
      await own("PUT", `${run}/timers/nap`, { attempt: 1, ms: 0 });
      await own("POST", `${run}/rest`, { attempt: 1 });
      // One after the other: nodes look by turns, so that another one would be first now and then.
      await until(() => atWorker.asked.includes(run) || atDoor.asked.includes(run));
    }
    expect(atWorker.asked).toEqual(runs);
    expect(atDoor.asked).toEqual([]);
  });

  test("the one that is a console answers people", async () => {
    expect((await door.admin("GET", "/status")).status).toBe(200);
    expect((await worker.admin("GET", "/status")).status).toBe(404);
    for (const node of [door, worker]) expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  });

  async function own(method: string, path: string, body: object): Promise<void> {
    const response = await fetch(`${door.url}/api/v1/runs/${path}`, {
      method,
      headers: { authorization: `Bearer ${door.agentToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
  }
});
