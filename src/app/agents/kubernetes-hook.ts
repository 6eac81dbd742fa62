import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Clock } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import type { Net } from "../../net/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { SecretText } from "../../registry/index.ts";
import type { JobTemplate } from "../../runs/index.ts";
import { KubernetesHook, jobProblem } from "../../runs/index.ts";
import type { KubernetesSettings } from "../config/hooks.ts";
import { readYaml } from "../config/yaml.ts";
import type { Environment } from "../environment.ts";

/** What Kubernetes puts into every pod: token, certificates and namespace. */
const podAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A hook that starts Jobs, with what of it stands in files of its own. */
export function kubernetesHook(
  { name, startsMax, attachWithinMs, cluster, namespace, job }: KubernetesSettings,
  parts: {
    readonly isFor: (owner: Principal) => boolean;
    readonly reveal: (secret: SecretText) => Promise<string>;
    readonly environment: Environment;
    readonly net: Net;
    readonly clock: Clock;
    /** Left out = where Kubernetes puts it. */
    readonly account?: string;
  },
): KubernetesHook {
  const { isFor, reveal, environment, net, clock, account = podAccount } = parts;
  const token = cluster?.token ?? { file: `${account}/token` };
  const caFile = cluster === null ? `${account}/ca.crt` : cluster.caFile;
  return new KubernetesHook({
    startsMax,
    attachWithinMs,
    isFor,
    server: new URL(cluster?.server ?? ownCluster(name, environment)),
    namespace: namespace ?? textOf(name, `${account}/namespace`).trim(),
    job: "template" in job ? job.template : jobIn(name, job.file),
    token: async () =>
      bearer(name, "file" in token ? await readFile(token.file, "utf8") : await reveal(token)),
    ca: () => (caFile === null ? Promise.resolve(null) : readFile(caFile, "utf8")),
    net,
    // The operator's own file may lead to private addresses.
    allow: ["loopback", "private"],
    clock,
  });
}

/** As Kubernetes tells every pod; an IPv6 address comes without its brackets. */
function ownCluster(hook: string, { variables }: Environment): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = variables;
  if (host === undefined)
    throw invalid(hook, "this node does not run in a cluster: name one as kubernetes.server");
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function jobIn(hook: string, file: string): JobTemplate {
  const { value, problems } = readYaml(textOf(hook, file));
  const [first] = problems;
  if (first !== undefined)
    throw invalid(hook, `${file}:${first.line ?? 1}:${first.column ?? 1} ${first.path}: ${first.message}`);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(hook, `${file} is no Job`);
  const template = value as JobTemplate; // a mapping, which YAML gives names of texts
  const wrong = jobProblem(template);
  if (wrong !== null) throw invalid(hook, `${file} ${wrong}`);
  return template;
}

function textOf(hook: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Fault("config-invalid", `hook ${hook}: ${file} cannot be read`, { cause });
  }
}

/** What no header can carry is no token; the value itself is not told. */
function bearer(hook: string, text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw invalid(hook, "what should be its token is none");
  return token;
}

const invalid = (hook: string, message: string): Fault =>
  new Fault("config-invalid", `hook ${hook}: ${message}`);
