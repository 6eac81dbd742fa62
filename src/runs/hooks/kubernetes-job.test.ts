import { describe, expect, test } from "vitest";
import type { StartOrder } from "../hook.ts";
import { jobOf, jobProblem } from "./kubernetes-job.ts";

const order: StartOrder = {
  id: "evt_01:0",
  tenant: "acme" as never,
  owner: "agent/agt_1" as never,
  run: `run_${"0".repeat(25)}z` as never,
  name: "invoice:4711 of May",
  attempt: 3,
  start: 2,
};
const container = { name: "agent", image: "clerk:1", env: [{ name: "SIGNALBOX_RUN", value: "mine" }] };
const template = {
  spec: { template: { spec: { containers: [container, { name: "beside", image: "x" }] } } },
};

interface Made {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly template: { readonly spec: { readonly containers: { env: unknown[] }[] } } };
}
const made = (from: object, of: StartOrder = order) => jobOf({ ...from }, of, "agents") as unknown as Made;

describe("the Job of a start", () => {
  test("is the template, with a name, labels, and the run in every container's environment", () => {
    const labels = { "signalbox.dev/run": order.run };
    const env = [
      { name: "SIGNALBOX_RUN", value: "invoice:4711 of May" },
      { name: "SIGNALBOX_RUN_ID", value: order.run },
      { name: "SIGNALBOX_ATTEMPT", value: "3" },
      { name: "SIGNALBOX_START", value: "2" },
    ];
    const name = expect.stringMatching(/^signalbox-0{25}z-2-[0-9a-f]{8}$/) as string;
    expect(made(template)).toEqual({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name, namespace: "agents", labels },
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: 3_600,
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: "Never",
            containers: [
              { ...container, env },
              { name: "beside", image: "x", env },
            ],
          },
        },
      },
    });
    expect(container.env).toEqual([{ name: "SIGNALBOX_RUN", value: "mine" }]);
  });

  test("has one name for one start, and another for any other, also of the same number", () => {
    const { name } = made(template).metadata;
    expect(made(template, { ...order }).metadata.name).toBe(name);
    for (const other of [{ id: "evt_02:0" }, { start: 3 }, { run: `run_${"1".repeat(26)}` as never }])
      expect(made(template, { ...order, ...other }).metadata.name).not.toBe(name);
    const longest = made({ ...template, metadata: { name: "a".repeat(16) } }, { ...order, start: 1_000 });
    expect(longest.metadata.name.length).toBeLessThanOrEqual(63);
  });

  test("keeps what the template says otherwise, other variables after ours", () => {
    const own = { name: "TOKEN", valueFrom: { secretKeyRef: { name: "clerk", key: "token" } } };
    const spec = {
      backoffLimit: 2,
      template: { spec: { restartPolicy: "OnFailure", containers: [{ name: "a", env: [own] }] } },
    };
    const job = made({ metadata: { name: "clerk", labels: { team: "books" } }, spec });
    expect(job).toMatchObject({
      metadata: { labels: { team: "books", "signalbox.dev/run": order.run } },
      spec: { backoffLimit: 2, template: { spec: { restartPolicy: "OnFailure" } } },
    });
    expect(job.metadata.name).toMatch(/^clerk-/);
    expect(job.spec.template.spec.containers[0]?.env.at(-1)).toEqual(own);
  });
});

test.each([
  [{ ...template, kind: "CronJob" }, /no Job/],
  [{ ...template, metadata: { generateName: "x-" } }, /metadata/],
  [{ ...template, metadata: { name: "Clerk" } }, /metadata.name/],
  [{ ...template, metadata: { name: "c".repeat(17) } }, /metadata.name/],
  [{ spec: { template: { spec: { containers: [] } } } }, /containers/],
  [{ spec: {} }, /containers/],
  [{ ...template, note: "x".repeat(65_536) }, /larger/],
  [{ ...template, kind: "Job", apiVersion: "batch/v1", metadata: { name: "clerk" } }, /^null$/],
])("a template is looked at when it is read: %#", (job, problem) => {
  expect(String(jobProblem(job))).toMatch(problem);
});
