import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../src/app/config/config.ts";
import { developmentDefaults } from "../../src/app/config/production.ts";
import { chart, chartDirectory, defaultValues, renderChart, renderNotes } from "./chart.ts";
import type { Manifest } from "./chart.ts";
import { unknownIn } from "./known-metrics.ts";

interface Pod {
  readonly securityContext: Record<string, unknown>;
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly securityContext: Record<string, unknown>;
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    readonly readinessProbe: { readonly httpGet: { readonly path: string } };
  }[];
  readonly volumes: readonly {
    readonly name: string;
    readonly secret?: unknown;
    readonly emptyDir?: unknown;
  }[];
}

const group = (defaultValues["groups"] as Record<string, unknown>[])[0] as Record<string, unknown>;
const config = defaultValues["config"] as object;
const split = {
  groups: [
    { ...group, name: "door", roles: ["edge", "console"] },
    { ...group, name: "worker", roles: ["worker"], door: false },
  ],
};
const ofKind = (kind: string, manifests: readonly Manifest[] = renderChart()): readonly Manifest[] =>
  manifests.filter((each) => each.kind === kind);
const podOf = (deployment: Manifest | undefined): Pod =>
  (deployment as unknown as { spec: { template: { spec: Pod } } }).spec.template.spec;
const pod = (): Pod => podOf(ofKind("Deployment")[0]);

describe("the values", () => {
  const schema = JSON.parse(readFileSync(join(chartDirectory, "values.schema.json"), "utf8")) as object;
  const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);

  test("that the chart brings are acceptable, and so are groups by role", () => {
    expect(validate(defaultValues) ? [] : validate.errors).toEqual([]);
    expect(validate({ ...defaultValues, ...split }) ? [] : validate.errors).toEqual([]);
  });

  test.each<{ readonly why: string; readonly over: object }>([
    { why: "a name that there is not", over: { replicas: 3 } },
    { why: "a key elsewhere", over: { config: { ...config, keys: { file: "/etc/key" } } } },
    { why: "no PostgreSQL", over: { config: { ...config, data: { directory: "/data" } } } },
    { why: "no policy", over: { policies: {} } },
    { why: "a role that there is not", over: { groups: [{ ...group, roles: ["edge", "everything"] }] } },
  ])("are refused for $why", ({ over }) => {
    expect(validate({ ...defaultValues, ...over })).toBe(false);
  });
});

describe("the chart", () => {
  test("has the version of the package", () => {
    const { version } = JSON.parse(readFileSync(join(chartDirectory, "../../../package.json"), "utf8")) as {
      version: string;
    };
    expect(chart.appVersion).toBe(version);
  });

  test("renders everything once, under names of its own", () => {
    const all = renderChart({ ingress: { enabled: true }, serviceMonitor: { enabled: true } });
    const names = all.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(names.toSorted()).toEqual([
      "ConfigMap/box-config",
      "ConfigMap/box-policies",
      "Deployment/box-node",
      "Ingress/box",
      "NetworkPolicy/box",
      "PodDisruptionBudget/box-node",
      "Service/box",
      "Service/box-nodes",
      "ServiceAccount/box",
      "ServiceMonitor/box",
    ]);
  });

  test("gives a node a configuration that it loads, and that production accepts", () => {
    const config = ofKind("ConfigMap").find(({ metadata }) => metadata.name === "box-config");
    const text = (config as unknown as { data: Record<string, string> }).data["signalbox.yaml"] ?? "";
    const read = readConfig({ text: text, file: "/etc/signalbox/signalbox.yaml", env: {} });
    expect(read.ok ? [] : read.refusal).toEqual([]);
    if (read.ok) expect(developmentDefaults(read.value)).toEqual([]);
    const mounts = new Set(pod().containers[0]?.volumeMounts.map(({ mountPath }) => mountPath));
    if (read.ok) {
      for (const file of [read.value.keys.file, read.value.policies.files[0]])
        expect(
          [...mounts].some((mount) => file?.startsWith(`${mount}/`) === true),
          file ?? "",
        ).toBe(true);
      expect(mounts).toContain(read.value.data.directory);
    }
  });

  test("runs nothing as root, writes nowhere but where it must, and holds no secret itself", () => {
    const { securityContext, containers, volumes } = pod();
    expect(securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 10_001,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(containers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const writable = volumes.filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name);
    expect(writable).toEqual(["data", "run", "tmp"]);
    expect(ofKind("Secret")).toEqual([]);
  });

  test("leaves a node the time it takes to stop", () => {
    const { config, preStopSeconds } = defaultValues as {
      config: { limits: { shutdownGrace: string } };
      preStopSeconds: number;
    };
    const graceSeconds = Number(/^(\d+)s$/.exec(config.limits.shutdownGrace)?.[1]);
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThanOrEqual(
      preStopSeconds + 2 * graceSeconds + 10,
    );
  });

  test("sends nobody to nodes without a door, and Prometheus to all", () => {
    const all = renderChart(split);
    expect(ofKind("Deployment", all).map((each) => podOf(each).containers[0]?.args[4])).toEqual([
      "edge,console",
      "worker",
    ]);
    const labels = ofKind("Deployment", all).map(
      (each) =>
        (each as unknown as { spec: { template: { metadata: { labels: Record<string, string> } } } }).spec
          .template.metadata.labels,
    );
    const selectors = ofKind("Service", all).map(
      (each) => (each as unknown as { spec: { selector: Record<string, string> } }).spec.selector,
    );
    const reached = selectors.map((selector) =>
      labels.map((of) => Object.entries(selector).every(([name, value]) => of[name] === value)),
    );
    expect(reached).toEqual([
      [true, false],
      [true, true],
    ]);
  });

  test("scales by metrics that nodes serve, and then says no number of replicas itself", () => {
    const autoscaling = { ...(group["autoscaling"] as object), enabled: true };
    const all = renderChart({ groups: [{ ...group, autoscaling }] });
    const [scaler] = ofKind("HorizontalPodAutoscaler", all);
    const { metrics } = (
      scaler as unknown as {
        spec: { metrics: readonly { pods: { metric: { name: string } } }[] };
      }
    ).spec;
    expect(metrics.flatMap(({ pods }) => unknownIn(pods.metric.name))).toEqual([]);
    expect(metrics).toHaveLength(2);
    expect(ofKind("Deployment", all)[0]?.["spec"]).not.toHaveProperty("replicas");
  });

  test("probes what is served, and says in its notes which secrets it needs", () => {
    expect(pod().containers[0]?.readinessProbe.httpGet.path).toBe("/readyz/serving");
    for (const name of ["signalbox-key", "signalbox-postgres"]) expect(renderNotes()).toContain(name);
  });

  test("lets nodes speak to Kubernetes only where agents are Jobs, and then create those alone", () => {
    const tokens = (manifests: readonly Manifest[]): unknown =>
      (podOf(ofKind("Deployment", manifests)[0]) as unknown as { automountServiceAccountToken: boolean })
        .automountServiceAccountToken;
    expect([tokens(renderChart()), ofKind("Role")]).toEqual([false, []]);
    const all = renderChart({ jobs: { enabled: true } });
    expect(tokens(all)).toBe(true);
    expect(ofKind("Role", all).map(({ rules }) => rules)).toEqual([
      [{ apiGroups: ["batch"], resources: ["jobs"], verbs: ["create"] }],
    ]);
  });

  test("hands over a second key file when keys are changed", () => {
    const { volumes } = podOf(ofKind("Deployment", renderChart({ otherKeySecret: { name: "old-key" } }))[0]);
    expect(volumes.find(({ name }) => name === "other-key")?.secret).toMatchObject({ secretName: "old-key" });
  });
});

test("a policy of the values is a file that Cedar can read", () => {
  const { policies } = parse(readFileSync(join(chartDirectory, "values.yaml"), "utf8")) as {
    policies: Record<string, string>;
  };
  const compose = readFileSync(
    join(chartDirectory, "../../compose/signalbox/policies/administration.cedar"),
    "utf8",
  );
  // The one of the compose file is compiled in compose.test.ts.
  expect(compose).toContain(policies["administration.cedar"]);
});
