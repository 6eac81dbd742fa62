import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KubernetesApi } from "../../../test/fixtures/kubernetes-api.ts";
import { systemClock } from "../../base/index.ts";
import { Net } from "../../net/index.ts";
import type { KubernetesSettings } from "../config/hooks.ts";
import { kubernetesHook } from "./kubernetes-hook.ts";

let api: KubernetesApi;
const net = new Net({ clock: systemClock });
beforeAll(async () => {
  api = await new KubernetesApi().start();
});
afterAll(async () => {
  await net.stop();
  await api.stop();
});

const template = { spec: { template: { spec: { containers: [{ name: "agent", image: "clerk:1" }] } } } };
const own: KubernetesSettings = {
  kind: "kubernetes",
  name: "pods",
  agents: ["clerk"],
  startsMax: 5,
  attachWithinMs: 1_000,
  cluster: null,
  namespace: null,
  job: { template },
};
function hook(
  settings: Partial<KubernetesSettings>,
  variables: Record<string, string>,
  account = "/nowhere",
) {
  const environment = { variables, home: "/", workingDirectory: "/", platform: "linux" } as const;
  const reveal = () => Promise.resolve(api.token);
  const parts = { isFor: () => true, reveal, environment, net, clock: systemClock, account };
  return kubernetesHook({ ...own, ...settings }, parts);
}
const order = (id: string) => ({
  id,
  tenant: "acme" as never,
  owner: "agent/agt_1" as never,
  run: `run_${"0".repeat(26)}` as never,
  name: "nightly",
  attempt: 1,
  start: 1,
});

test("a node in a pod uses the pod's own account, and reads a token that was replaced", async () => {
  const account = join(api.directory, "account");
  mkdirSync(account);
  copyFileSync(api.caFile, join(account, "ca.crt"));
  writeFileSync(join(account, "namespace"), "agents");
  writeFileSync(join(account, "token"), "an-older-one");
  const { hostname, port } = new URL(api.url);
  const pods = hook({}, { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }, account);
  await expect(pods.start(order("evt_1:0"))).rejects.toThrow("answered 401");
  writeFileSync(join(account, "token"), `${api.token}\n`);
  await pods.start(order("evt_1:0"));
  expect(api.jobs.size).toBe(1);
  writeFileSync(join(account, "token"), "two lines\nof something");
  await expect(pods.start(order("evt_2:0"))).rejects.toThrow("what should be its token is none");
});

test("a node outside of a cluster says so, and one whose Job is none does not start", () => {
  expect(() => hook({}, {})).toThrow(/does not run in a cluster: name one as kubernetes.server/);
  const elsewhere = { server: api.url, token: { vault: "k8s" }, caFile: api.caFile };
  const withFile = (text: string) => {
    const file = join(api.directory, "job.yaml");
    writeFileSync(file, text);
    return () => hook({ cluster: elsewhere, namespace: "agents", job: { file } }, {});
  };
  expect(withFile("kind: Pod\nspec: {}")).toThrow(/job.yaml is no Job of batch.v1/);
  expect(withFile("- 1")).toThrow(/job.yaml is no Job/);
  expect(withFile("kind: [")).toThrow(/job.yaml:1:/);
  expect(() => hook({ cluster: elsewhere, namespace: "agents", job: { file: "/nowhere/j" } }, {})).toThrow(
    /hook pods: \/nowhere\/j cannot be read/,
  );
  expect(withFile(JSON.stringify(template))).not.toThrow();
});
