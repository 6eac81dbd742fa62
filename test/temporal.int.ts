import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Invoice, activitiesFor } from "../examples/runtimes/temporal/activities.ts";
import { NodeProcess, newDirectory, removeDirectory } from "./fixtures/node-process.ts";
import { until } from "./fixtures/until.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";

/** The example's activities as a worker of Temporal runs them: again and again with the same place, as far as that goes without Temporal. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;
let activities: ReturnType<typeof activitiesFor>;
const place = {
  activityId: "1",
  workflowExecution: { workflowId: "april", runId: randomUUID() },
};

class NonRetryable extends Error {}

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  process.env["SIGNALBOX_URL"] = node.url;
  process.env["SIGNALBOX_TOKEN"] = node.agentToken;
  const example = await import("../examples/runtimes/temporal/activities.ts");
  activities = example.activitiesFor({
    activityInfo: () => place,
    nonRetryable: (message) => new NonRetryable(message),
  });
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

const pay = (invoice: Invoice) => activities.pay(invoice);
const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

test("an attempt that comes while the one before it is still under way joins it, and a later one is told the same", async () => {
  bank.hold();
  const first = pay({ to: "ann", amount: 1 });
  await until(() => paid("ann") === 1);
  const second = pay({ to: "ann", amount: 1 });
  bank.release();
  const said = await first;
  expect(await second).toBe(said);
  expect(await pay({ to: "ann", amount: 1 })).toBe(said);
  expect(paid("ann")).toBe(1);
});

test("another activity of the workflow, and the same one of another run of it, are calls of their own", async () => {
  place.activityId = "2";
  await pay({ to: "ann", amount: 1 });
  place.workflowExecution.runId = randomUUID();
  await pay({ to: "ann", amount: 1 });
  expect(paid("ann")).toBe(3);
});

test("a workflow whose code has changed under its history is refused for good, and pays nothing", async () => {
  await expect(pay({ to: "bob", amount: 2 })).rejects.toThrow(NonRetryable);
  await expect(pay({ to: "bob", amount: 2 })).rejects.toThrow(/step-mismatch/);
  expect(paid("bob")).toBe(0);
});
