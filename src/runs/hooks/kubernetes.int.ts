import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KubernetesApi } from "../../../test/fixtures/kubernetes-api.ts";
import { until } from "../../../test/fixtures/until.ts";
import { ManualClock, systemClock } from "../../base/index.ts";
import { Net } from "../../net/index.ts";
import type { StartOrder } from "../hook.ts";
import { isStartRefused } from "../hook.ts";
import type { KubernetesHookOptions } from "./kubernetes.ts";
import { KubernetesHook } from "./kubernetes.ts";

/** There is no cluster here: a server of ours, over real TLS, that answers as the API does. */
let api: KubernetesApi;
let net: Net;
const hooks: KubernetesHook[] = [];
beforeEach(async () => {
  api = await new KubernetesApi().start();
  net = new Net({ clock: systemClock });
});
afterEach(async () => {
  await Promise.all(hooks.splice(0).map((hook) => hook.stop()));
  await net.stop();
  await api.stop();
});

const template = { spec: { template: { spec: { containers: [{ name: "agent", image: "clerk:1" }] } } } };
function hookWith(over: Partial<KubernetesHookOptions> = {}): KubernetesHook {
  const hook = new KubernetesHook({
    startsMax: 5,
    attachWithinMs: 30_000,
    isFor: () => true,
    server: new URL(api.url),
    namespace: "agents",
    job: template,
    token: () => Promise.resolve(api.token),
    ca: () => readFile(api.caFile, "utf8"),
    net,
    allow: ["loopback"],
    clock: systemClock,
    ...over,
  });
  hooks.push(hook);
  return hook;
}
const order = (id = "evt_01:0"): StartOrder => ({
  id,
  tenant: "acme" as never,
  owner: "agent/agt_1" as never,
  run: `run_${"0".repeat(26)}` as never,
  name: "nightly",
  attempt: 1,
  start: 1,
});

/** What a start that came to nothing said, and whether it would be refused again. */
async function failureOf(start: Promise<void>): Promise<{ message: string; isRefused: boolean }> {
  const thrown: unknown = await start.then(
    () => new Error("it was started"),
    (reason: unknown) => reason,
  );
  return { message: thrown instanceof Error ? thrown.message : "", isRefused: isStartRefused(thrown) };
}

describe("a start", () => {
  test("is a Job; the same start again is the same Job, and another start another one", async () => {
    const hook = hookWith();
    await hook.start(order());
    await hook.start(order());
    expect(api.jobs.size).toBe(1);
    await hook.start(order("evt_02:0"));
    expect(api.jobs.size).toBe(2);
    expect(api.requests[0]).toMatchObject({
      path: "/apis/batch/v1/namespaces/agents/jobs",
      accept: expect.stringContaining("PartialObjectMetadata") as string,
    });
  });

  test("whose answer is lost is asked for once more, and is one Job", async () => {
    api.next.push("lose");
    await hookWith().start(order());
    expect([api.jobs.size, api.requests.length]).toEqual([1, 2]);
  });

  test("that is never answered fails, asked for twice, and its Job is found by whoever asks again", async () => {
    const clock = new ManualClock();
    const slow = new Net({ clock });
    api.next.push("hang", "hang");
    const hook = hookWith({ net: slow, clock });
    const failed = failureOf(hook.start(order()));
    // Time passes only here, and only when a request has arrived.
    for (const arrived of [1, 2]) {
      await until(() => api.requests.length === arrived);
      for (let seconds = 0; seconds < 11; seconds++) clock.advance(1_000);
    }
    expect(await failed).toMatchObject({
      isRefused: false,
      message: expect.stringContaining("deadline") as string,
    });
    expect([api.jobs.size, api.requests.length]).toEqual([1, 2]);
    await hook.stop();
    await slow.stop();
    await hookWith().start(order());
    expect(api.jobs.size).toBe(1);
  });
});

describe("what comes to nothing", () => {
  test("for now: no right, a token that is over, load, a quota in motion", async () => {
    const hook = hookWith();
    for (const trouble of ["forbidden", "busy", "quota"] as const) {
      api.next.push(trouble);
      const { message, isRefused } = await failureOf(hook.start(order()));
      expect([isRefused, message], trouble).toEqual([
        false,
        expect.stringMatching(/answered (403|409|429): /),
      ]);
    }
    const stale = await failureOf(hookWith({ token: () => Promise.resolve("old") }).start(order()));
    expect(stale).toEqual({ isRefused: false, message: `${api.url} answered 401: Unauthorized` });
    expect(api.jobs.size).toBe(0);
    await hook.start(order());
  });

  test("for good: a template that is none to Kubernetes, and a namespace that is not there", async () => {
    const job = { spec: { template: { spec: { containers: [{ name: "agent" }] } } } };
    expect(await failureOf(hookWith({ job }).start(order()))).toMatchObject({
      isRefused: true,
      message: expect.stringMatching(/422.*image: Required value/) as string,
    });
    expect(await failureOf(hookWith({ namespace: "nowhere" }).start(order()))).toMatchObject({
      isRefused: true,
      message: expect.stringContaining('namespaces "nowhere" not found') as string,
    });
  });

  test("tells the token to nobody whose certificate is not the cluster's, and reads the authority anew", async () => {
    const other = await new KubernetesApi().start();
    try {
      let caFile = other.caFile;
      let asked = 0;
      const token = () => (asked++, Promise.resolve(api.token));
      const hook = hookWith({ ca: () => readFile(caFile, "utf8"), token });
      expect(await failureOf(hook.start(order()))).toMatchObject({
        isRefused: false,
        message: expect.stringContaining("tls") as string,
      });
      expect([api.requests, asked]).toEqual([[], 2]);
      caFile = api.caFile;
      await hook.start(order());
      expect(api.jobs.size).toBe(1);
    } finally {
      await other.stop();
    }
  });

  test("and is not sent where the operator does not let it lead", async () => {
    const failure = await failureOf(hookWith({ allow: [] }).start(order()));
    expect(failure.message).toContain("refused-address");
    expect(api.requests).toEqual([]);
  });
});
