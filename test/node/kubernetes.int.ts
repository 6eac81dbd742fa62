import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Job } from "../fixtures/kubernetes-api.ts";
import { KubernetesApi } from "../fixtures/kubernetes-api.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** A node whose agents are Jobs. The cluster is a server of ours that answers as the API does, and this test starts what a kubelet would. */
const program = fileURLToPath(new URL("../fixtures/hooked-agent-program.ts", import.meta.url));
let bank: CountingServer;
let api: KubernetesApi;
let directory: string;
let node: NodeProcess;
const orderFile = () => join(directory, "order.json");

beforeAll(async () => {
  bank = await new CountingServer().start();
  api = await new KubernetesApi().start();
  directory = newDirectory();
  writeFileSync(join(directory, "token"), `${api.token}\n`);
  writeFileSync(
    join(directory, "job.yaml"),
    `kind: Job
metadata: { name: tester }
spec:
  template:
    spec:
      serviceAccountName: tester
      containers:
        - name: agent
          image: tester:1
          args: ["$(SIGNALBOX_RUN)"]
          env: [{ name: SIGNALBOX_TOKEN, valueFrom: { secretKeyRef: { name: tester, key: token } } }]
`,
  );
  const at = (name: string) => JSON.stringify(join(directory, name));
  node = await NodeProcess.start({
    directory,
    yaml: `
servers: { bank: { url: "${bank.url}" } }
hooks:
  pods:
    agents: [tester]
    kubernetes: { server: "${api.url}", namespace: agents, tokenFile: ${at("token")}, caFile: ${JSON.stringify(api.caFile)}, jobFile: ${at("job.yaml")} }
`,
  });
  await node.toolsAre(["bank__pay"]);
  writeFileSync(orderFile(), JSON.stringify({ url: node.url, token: node.agentToken, dieOn: null }));
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  await api.stop();
  removeDirectory(directory);
});

async function own<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${node.url}/api/v1/runs/${path}`, {
    method,
    headers: { authorization: `Bearer ${node.agentToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

/** A run whose agent has only rested so far, and is due. */
async function dueRun(name: string): Promise<string> {
  const { run } = await own<{ run: string }>("POST", `${name}/attach`, { hook: "pods" });
  await own("PUT", `${name}/timers/nap`, { attempt: 1, ms: 0 });
  await own("POST", `${name}/rest`, { attempt: 1 });
  return run;
}

const jobsOf = (run: string): readonly Job[] =>
  [...api.jobs.values()].filter(({ metadata }) => metadata.labels["signalbox.dev/run"] === run);

/** As the container of a Job, with the variables that stand in it. */
async function runJob(job: Job): Promise<void> {
  const env = job.spec.template.spec.containers[0]?.env ?? [];
  const plain = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));
  const child = spawn(process.execPath, [program, orderFile()], {
    env: { PATH: process.env["PATH"], ...Object.fromEntries(plain) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await new Promise((resolve) => child.once("close", resolve));
}

test("a run that is due is a Job, and what it starts goes on with the run", async () => {
  api.next.push("lose"); // Nobody hears that it was created.
  const run = await dueRun("podded");
  await until(() => jobsOf(run).length === 1);
  await until(() => api.requests.length === 2);
  const [job] = jobsOf(run) as [Job];
  expect(job.metadata.name).toMatch(/^tester-[0-9a-z]{26}-1-[0-9a-f]{8}$/);
  expect(job.spec.template.spec.containers[0]?.env.map(({ name }) => name)).toEqual([
    "SIGNALBOX_RUN",
    "SIGNALBOX_RUN_ID",
    "SIGNALBOX_ATTEMPT",
    "SIGNALBOX_START",
    "SIGNALBOX_TOKEN",
  ]);
  expect(JSON.stringify(job)).not.toContain(node.agentToken);
  await runJob(job);
  expect(await own("GET", "podded/state")).toMatchObject({ state: "finished", end: { result: "start 1" } });
  expect(bank.received.map(({ args }) => args["to"])).toEqual(["podded-1", "podded-2"]);
  expect(jobsOf(run)).toHaveLength(1);
});

test("a run whose cluster refuses its Job is dead, with what the cluster said; retried, it is another Job", async () => {
  api.namespace = "moved";
  const run = await dueRun("refused");
  const shown = async () =>
    (await node.admin<{ state: string; deadReason: string; endEntry: string }>("GET", `/runs/${run}`)).body;
  await until(async () => (await shown()).state === "dead");
  const { deadReason, endEntry } = await shown();
  expect(deadReason).toBe("start-refused");
  const { body } = await node.admin<{ payload: { note: { last: string } } }>(
    "GET",
    `/runs/${run}/entries/${endEntry}/payload`,
  );
  expect(body.payload.note.last).toMatch(/answered 404: namespaces "agents" not found/);
  api.namespace = "agents";
  expect((await node.admin("POST", `/runs/${run}/retry`, {})).status).toBe(200);
  await until(() => jobsOf(run).length === 1);
  await runJob(jobsOf(run)[0] as Job);
  expect(await own("GET", "refused/state")).toMatchObject({ state: "finished" });
});
