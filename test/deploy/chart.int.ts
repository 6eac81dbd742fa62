import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role";
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "./chart.ts";
import { defaultValues, renderChart } from "./chart.ts";

/** Kubernetes' own description of each kind, made from its OpenAPI: the module whose type it is, and the class that validates. */
const kinds: Readonly<Record<string, { module: string; model: new (data: never) => { validate(): void } }>> =
  {
    "apps/v1/Deployment": { module: "kubernetes-models/apps/v1/Deployment", model: Deployment },
    "autoscaling/v2/HorizontalPodAutoscaler": {
      module: "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler",
      model: HorizontalPodAutoscaler,
    },
    "monitoring.coreos.com/v1/ServiceMonitor": {
      module: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
      model: ServiceMonitor,
    },
    "networking.k8s.io/v1/Ingress": {
      module: "kubernetes-models/networking.k8s.io/v1/Ingress",
      model: Ingress,
    },
    "networking.k8s.io/v1/NetworkPolicy": {
      module: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
      model: NetworkPolicy,
    },
    "policy/v1/PodDisruptionBudget": {
      module: "kubernetes-models/policy/v1/PodDisruptionBudget",
      model: PodDisruptionBudget,
    },
    "rbac.authorization.k8s.io/v1/Role": {
      module: "kubernetes-models/rbac.authorization.k8s.io/v1/Role",
      model: Role,
    },
    "rbac.authorization.k8s.io/v1/RoleBinding": {
      module: "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding",
      model: RoleBinding,
    },
    "v1/ConfigMap": { module: "kubernetes-models/v1/ConfigMap", model: ConfigMap },
    "v1/Service": { module: "kubernetes-models/v1/Service", model: Service },
    "v1/ServiceAccount": { module: "kubernetes-models/v1/ServiceAccount", model: ServiceAccount },
  };

const [group] = defaultValues["groups"] as Record<string, unknown>[];
const autoscaling = { ...(group?.["autoscaling"] as object), enabled: true };
/** Every branch of every template, taken and not taken. */
const everything = {
  imagePullSecrets: [{ name: "pull" }],
  postgresSecret: { caKey: "ca.pem" },
  otherKeySecret: { name: "old-key" },
  jobs: { enabled: true },
  extraEnv: [{ name: "LEVEL", value: "info" }],
  groups: [
    { ...group, name: "door", roles: ["edge", "console"], autoscaling },
    { ...group, name: "worker", roles: ["worker"], door: false },
  ],
  service: { annotations: { a: "b" } },
  ingress: { enabled: true, className: "nginx", annotations: { a: "b" }, tlsSecretName: "tls" },
  networkPolicy: {
    from: [{ namespaceSelector: { matchLabels: { name: "ingress" } } }],
    postgresTo: [{ ipBlock: { cidr: "10.0.0.0/24" } }],
    extraEgress: [{ ports: [{ port: 8443, protocol: "TCP" }] }],
  },
  serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
  nodeSelector: { "kubernetes.io/os": "linux" },
  tolerations: [{ key: "agents", operator: "Exists", effect: "NoSchedule" }],
  affinity: { nodeAffinity: {} },
  podAnnotations: { a: "b" },
};
const nothing = {
  podDisruptionBudget: { enabled: false },
  networkPolicy: { enabled: false },
  bootstrapAdminKey: false,
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-chart-"));
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(directory, "node_modules"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test.each([
  ["as it comes", {}],
  ["with everything", everything],
  ["with little", nothing],
])("what the chart renders %s is what Kubernetes takes", (_, values) => {
  const manifests = renderChart(values);
  expect(manifests.length).toBeGreaterThan(4);
  for (const manifest of manifests) {
    const { model } = kindOf(manifest);
    new model(manifest as never).validate();
  }
  expect(typeErrors(manifests)).toBe("");
});

test("a field that there is not, and a value of the wrong type, are found", () => {
  const deployment = renderChart().find(({ kind }) => kind === "Deployment");
  const text = JSON.stringify(deployment);
  const changed = (from: string, to: string): Manifest => JSON.parse(text.replace(from, to)) as Manifest;
  expect(typeErrors([changed('"readinessProbe"', '"readinesProbe"')])).toContain("readinesProbe");
  const { model } = kindOf(deployment as Manifest);
  expect(() =>
    new model(changed('"containerPort":7070', '"containerPort":"7070"') as never).validate(),
  ).toThrow(/containerPort/);
});

function kindOf({ apiVersion, kind }: Manifest) {
  const known = kinds[`${apiVersion}/${kind}`];
  if (known === undefined) throw new Error(`this test knows no ${apiVersion}/${kind}`);
  return known;
}

/** The validators let fields pass that they do not know; the compiler does not. */
function typeErrors(manifests: readonly Manifest[]): string {
  const file = join(directory, "manifests.ts");
  const lines = manifests.map((manifest, i) => {
    const type = `import("${kindOf(manifest).module}").I${manifest.kind}`;
    return `export const m${i}: ${type} = ${JSON.stringify(manifest, null, 1)};`;
  });
  writeFileSync(file, lines.join("\n"));
  const compiler = join(directory, "node_modules/typescript/bin/tsc");
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--types", "", "--module", "nodenext"];
  try {
    execFileSync(process.execPath, [compiler, ...options, file], { cwd: directory, stdio: "pipe" });
    return "";
  } catch (thrown) {
    return String((thrown as { stdout: Buffer }).stdout);
  }
}
