import { resolve } from "node:path";
import { invariant } from "../../base/index.ts";
import { webhookKeys } from "../../net/index.ts";
import type { SecretText } from "../../registry/index.ts";
import type { JobTemplate } from "../../runs/index.ts";
import { jobProblem } from "../../runs/index.ts";
import { parseDuration } from "./units.ts";
import { escapePointer } from "./yaml.ts";

interface CommonSettings {
  readonly name: string;
  readonly agents: readonly string[];
  readonly startsMax: number;
  readonly attachWithinMs: number;
}

export interface KubernetesSettings extends CommonSettings {
  readonly kind: "kubernetes";
  /** null = the cluster that the node runs in, with its account and certificates. */
  readonly cluster: {
    readonly server: string;
    /** A path is absolute. */
    readonly token: SecretText | { readonly file: string } | null; // null = neither is said, which is a problem
    /** Absolute; null = Node's own authorities. */
    readonly caFile: string | null;
  } | null;
  /** null = that of the node's pod. */
  readonly namespace: string | null;
  /** A path is absolute. */
  readonly job: { readonly template: JobTemplate } | { readonly file: string };
}

/** What starts agents again, as the configuration says. */
export type HookSettings =
  | (CommonSettings & {
      readonly kind: "command";
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, SecretText>>;
      /** Absolute. */
      readonly cwd: string;
      readonly processesMax: number;
    })
  | (CommonSettings & {
      readonly kind: "webhook";
      readonly url: string;
      readonly secret: SecretText;
    })
  | KubernetesSettings;

/** What the schema leaves, defaults filled in. */
export interface RawHook {
  readonly agents: readonly string[];
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly processesMax: number;
  readonly url?: string;
  readonly kubernetes?: {
    readonly server?: string;
    readonly namespace?: string;
    readonly job?: JobTemplate;
    readonly jobFile?: string;
    readonly token?: string;
    readonly tokenFile?: string;
    readonly caFile?: string;
  };
  readonly attachWithin?: string;
  readonly startsMax: number;
}

/** A program on this machine attaches in a second. */
const attachWithinMs = 30_000;
/** An image has to be fetched, and a machine for it may have to be added. */
const jobAttachesWithinMs = 5 * 60_000;

export function hookSettings(
  name: string,
  raw: RawHook,
  secrets: ReadonlyMap<string, SecretText>,
  directory: string,
): HookSettings {
  const secretAt = (path: string): SecretText => {
    const secret = secrets.get(`${placeOf(name)}/${path}`);
    invariant(secret !== undefined, "every value that may be a secret was resolved");
    return secret;
  };
  const { agents, startsMax, processesMax, kubernetes } = raw;
  const usualMs = kubernetes === undefined ? attachWithinMs : jobAttachesWithinMs;
  const said = raw.attachWithin === undefined ? usualMs : parseDuration(raw.attachWithin);
  const common = { name, agents, startsMax, attachWithinMs: said ?? usualMs };
  if (kubernetes !== undefined) {
    const { server, namespace = null, job, jobFile, token, tokenFile, caFile } = kubernetes;
    const file = tokenFile === undefined ? null : { file: resolve(directory, tokenFile) };
    const bearer = token === undefined ? file : secretAt("kubernetes/token");
    return {
      ...common,
      kind: "kubernetes",
      namespace,
      cluster:
        server === undefined
          ? null
          : { server, token: bearer, caFile: caFile === undefined ? null : resolve(directory, caFile) },
      job: job === undefined ? { file: resolve(directory, jobFile ?? "") } : { template: job },
    };
  }
  if (raw.url !== undefined) return { ...common, kind: "webhook", url: raw.url, secret: secretAt("secret") };
  const env = Object.keys(raw.env ?? {}).map((key) => [key, secretAt(`env/${escapePointer(key)}`)] as const);
  return {
    ...common,
    kind: "command",
    processesMax,
    command: raw.command ?? "",
    args: raw.args ?? [],
    env: Object.fromEntries(env),
    cwd: resolve(directory, raw.cwd ?? "."),
  };
}

/** What no schema can say. Never quotes a value. */
export function hookProblems(
  hooks: readonly HookSettings[],
): readonly { readonly pointer: string; readonly message: string }[] {
  return hooks.flatMap((hook) => {
    const problem = (path: string, message: string) => ({
      pointer: `${placeOf(hook.name)}/${path}`,
      message,
    });
    switch (hook.kind) {
      case "command":
        return [];
      case "webhook": {
        const { url, secret } = hook;
        const parsed = URL.canParse(url) ? new URL(url) : null;
        return [
          ...(parsed === null ? [problem("url", "is not a URL")] : []),
          ...(parsed !== null && parsed.username + parsed.password !== ""
            ? [problem("url", "has a user or password in it; an address is logged")]
            : []),
          ...("literal" in secret && webhookKeys(secret.literal) === null
            ? [problem("secret", "the value (not shown) is not whsec_ and 24 to 64 bytes in base64")]
            : []),
        ];
      }
      case "kubernetes": {
        const { cluster, job } = hook;
        const wrong = "template" in job ? jobProblem(job.template) : null;
        return [
          ...(wrong === null ? [] : [problem("kubernetes/job", wrong)]),
          ...(cluster?.token === null
            ? [problem("kubernetes/server", 'needs "token" or "tokenFile" beside it')]
            : []),
          ...(cluster !== null && !URL.canParse(cluster.server)
            ? [problem("kubernetes/server", "is not a URL")]
            : []),
        ];
      }
    }
  });
}

const placeOf = (name: string): string => `/hooks/${escapePointer(name)}`;
