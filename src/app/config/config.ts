import { dirname, resolve } from "node:path";
import type { Result, Sha256Hex } from "../../base/index.ts";
import { canonicalDigest, invariant, ok, refuse } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import type {
  Limits,
  OAuthSettings,
  SecretText,
  ServerInput,
  ToolClass,
  ToolProbe,
} from "../../registry/index.ts";
import { serverProblems } from "../../registry/index.ts";
import { parseBytes, parseDuration } from "./units.ts";
import type { Variables } from "./references.ts";
import { resolveReferences } from "./references.ts";
import type { PostgresSettings, RawPostgres } from "./postgres.ts";
import { postgresProblems, postgresSettings } from "./postgres.ts";
import type { LedgerSettings } from "./ledger.ts";
import { ledgerProblems } from "./ledger.ts";
import type { RawWebhook, WebhookSettings } from "./webhooks.ts";
import { webhookProblems, webhookSettings } from "./webhooks.ts";
import { validateConfig } from "./validate.ts";
import type { ConfigProblem, YamlText } from "./yaml.ts";
import type { AgentSettings, RawAgent } from "./agents.ts";
import { agentProblems, agentSettings } from "./agents.ts";
import type { HookSettings, RawHook } from "./hooks.ts";
import { hookProblems, hookSettings } from "./hooks.ts";
import { looksLikeCredential } from "../import/credentials.ts";
import { escapePointer, keysOfPointer, readYaml } from "./yaml.ts";

type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** See the configuration reference: `node.roles`. */
export const nodeRoles = ["edge", "worker", "console"] as const;
export type NodeRole = (typeof nodeRoles)[number];

/** How a node starts: frozen, paths absolute, durations in milliseconds, sizes in bytes. Each room gets its slice. */
export interface Config {
  readonly tenant: TenantId;
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl: string | null; // null = as clients spell it
    readonly allowedHosts: readonly string[];
    readonly allowedOrigins: readonly string[];
    readonly signIn: boolean;
    readonly clientDocuments: boolean;
  };
  readonly node: {
    readonly name: string | null; // null = after the host
    readonly roles: readonly NodeRole[];
  };
  /** Without `postgres` the data itself is in the directory as well. */
  readonly data: { readonly directory: string; readonly postgres?: PostgresSettings };
  /** `file`: null = made in the data directory, development only. `otherFiles` open what was sealed under another key. */
  readonly keys: { readonly file: string | null; readonly otherFiles: readonly string[] };
  readonly ledger: LedgerSettings;
  readonly servers: readonly ServerInput[];
  /** Over `servers` as they are here; see `Registry.applyFile`. */
  readonly serversDigest: Sha256Hex;
  readonly policies: { readonly files: readonly string[] }; // absolute glob patterns
  readonly hooks: readonly HookSettings[];
  readonly agents: readonly AgentSettings[];
  readonly approvals: { readonly webhooks: readonly WebhookSettings[] };
  /** Of the tenant's callers, as the file has them; null = it says nothing of them. */
  readonly callerLimits: Limits | null;
  /** Of this node. */
  readonly limits: {
    readonly callsInFlightMax: number;
    readonly bodyBytesMax: number;
    readonly connectionsMax: number;
    readonly processesMax: number;
    readonly shutdownGraceMs: number;
  };
  readonly log: { readonly level: LogLevel; readonly file: string | null }; // null = standard error
  readonly identity: { readonly tokenTtlMs: number };
  /** Dotted names of the settings that the file gives itself. */
  readonly given: ReadonlySet<string>;
  /** Dotted names of what looks like a credential and stands in the file as it is. */
  readonly literalSecrets: readonly string[];
}

export interface ConfigSource {
  readonly text: string;
  /** Absolute; relative paths in the file start from its directory. */
  readonly file: string;
  readonly env: Variables;
}

/** Reads, resolves and checks a configuration. Everything that is wrong is reported at once, in the order of the file. */
export function readConfig(source: ConfigSource): Result<Config, readonly ConfigProblem[]> {
  const yaml = readYaml(source.text);
  if (yaml.problems.length > 0) return refuse(inOrder(yaml.problems));
  const resolved = resolveReferences(yaml.value ?? {}, source.env);
  const given = new Set([...yaml.values.keys()].filter((pointer) => pointer !== "").map(dotted));
  const unresolved = new Set(resolved.problems.map((problem) => problem.pointer));
  const problems: ConfigProblem[] = [
    ...resolved.problems.map((problem) => located(yaml, problem.pointer, false, problem.message)),
    ...validateConfig(resolved.value, resolved.fromEnvironment)
      .filter((problem) => !unresolved.has(problem.pointer))
      .map((problem) => located(yaml, problem.pointer, problem.isKey, problem.message)),
  ];
  if (problems.length > 0) return refuse(inOrder(problems));
  // The schema has named every part of it.
  const raw = resolved.value as RawConfig;
  const directory = dirname(source.file);
  const webhooks = webhookSettings(raw.approvals.webhooks, resolved.secrets);
  const { postgres } = raw.data;
  const unshaped = [
    ...webhookProblems(webhooks),
    ...(postgres === undefined ? [] : postgresProblems(postgres)),
    ...ledgerProblems(raw.ledger),
  ];
  for (const { pointer, message } of unshaped) problems.push(located(yaml, pointer, false, message));
  const servers = Object.entries(raw.servers).map(([name, server]) =>
    serverInput(name, server, resolved.secrets, directory),
  );
  for (const server of servers) {
    for (const { path, message } of serverProblems(server)) {
      const keys = inFile(path);
      const pointer = ["servers", server.name, ...keys].map((key) => `/${escapePointer(key)}`).join("");
      problems.push(located(yaml, path[0] === "name" ? `/servers/${server.name}` : pointer, true, message));
    }
  }
  if (problems.length > 0) return refuse(inOrder(problems));
  const literalSecrets = [...resolved.secrets]
    .filter(([pointer, secret]) => {
      const name = keysOfPointer(pointer).at(-1) ?? "";
      const isLiteral = "literal" in secret && !resolved.fromEnvironment.has(pointer);
      return isLiteral && looksLikeCredential(name, secret.literal);
    })
    .map(([pointer]) => dotted(pointer));
  const hooks = Object.entries(raw.hooks).map(([name, hook]) =>
    hookSettings(name, hook, resolved.secrets, directory),
  );
  const agents = Object.entries(raw.agents).map(([name, agent]) =>
    agentSettings(name, agent, resolved.secrets, directory),
  );
  const data = {
    directory: resolve(directory, raw.data.directory),
    ...(postgres === undefined
      ? {}
      : { postgres: postgresSettings(postgres, resolved.fromEnvironment, directory) }),
  };
  for (const { pointer, message } of [...hookProblems(hooks), ...agentProblems(agents)])
    problems.push(located(yaml, pointer, false, message));
  if (problems.length > 0) return refuse(inOrder(problems));
  return ok(configOf(raw, { servers, hooks, agents, webhooks, data, directory, given, literalSecrets }));
}

/** The configuration of a node that has no file. */
export function defaultConfig(file: string): Config {
  const config = readConfig({ text: "", file, env: {} });
  invariant(config.ok, "the defaults are acceptable");
  return config.value;
}

/** One line per problem: `file:line:column path: message`. */
export function problemText(file: string, problem: ConfigProblem): string {
  const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`;
  return `${place} ${problem.path === "" ? "" : `${problem.path}: `}${problem.message}`;
}

/** What the schema leaves, defaults filled in. */
interface RawConfig {
  readonly tenant: TenantId;
  readonly listen: Omit<Config["listen"], "publicUrl"> & { readonly publicUrl?: string };
  readonly node: { readonly name?: string; readonly roles: readonly NodeRole[] };
  readonly data: { readonly directory: string; readonly postgres?: RawPostgres };
  readonly keys: { readonly file?: string; readonly otherFiles: readonly string[] };
  readonly ledger: LedgerSettings;
  readonly servers: Readonly<Record<string, RawServer>>;
  readonly policies: { readonly files: readonly string[] };
  readonly hooks: Readonly<Record<string, RawHook>>;
  readonly agents: Readonly<Record<string, RawAgent>>;
  readonly approvals: { readonly webhooks: Readonly<Record<string, RawWebhook>> };
  readonly limits: {
    readonly callsInFlightMax: number;
    readonly perPrincipalCallsMax: number;
    readonly tenantCallsMax?: number;
    readonly agents: Readonly<Record<string, number>>;
    readonly bodyBytesMax: string;
    readonly connectionsMax: number;
    readonly processesMax: number;
    readonly shutdownGrace: string;
  };
  readonly log: { readonly level: LogLevel; readonly file?: string };
  readonly identity: { readonly tokenTtl: string };
}

interface RawServer {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly auth?: Omit<OAuthSettings, "clientSecret" | "privateKey"> & {
    readonly clientSecret?: string;
    readonly privateKey?: string;
  };
  readonly era?: "modern" | "legacy";
  readonly enabled: boolean;
  readonly callTimeout: string;
  readonly concurrencyMax: number;
  readonly resultBytesMax: string;
  readonly tools: Readonly<Record<string, RawTool>>;
}

interface RawTool {
  readonly class: ToolClass["kind"];
  readonly probe?: { readonly arguments: Readonly<Record<string, unknown>>; readonly every?: string };
  readonly keyArgument?: string;
  readonly verifyTool?: string;
  readonly verifyArguments?: readonly string[];
}

function configOf(
  raw: RawConfig,
  {
    servers,
    hooks,
    agents,
    webhooks,
    data,
    directory,
    given,
    literalSecrets,
  }: Pick<Config, "servers" | "hooks" | "agents" | "data" | "given" | "literalSecrets"> & {
    readonly webhooks: readonly WebhookSettings[];
    readonly directory: string;
  },
): Config {
  const { shutdownGrace, bodyBytesMax, callsInFlightMax, connectionsMax, processesMax } = raw.limits;
  const config: Config = {
    tenant: raw.tenant,
    listen: { ...raw.listen, publicUrl: raw.listen.publicUrl?.replace(/\/$/, "") ?? null },
    data,
    keys: {
      file: raw.keys.file === undefined ? null : resolve(directory, raw.keys.file),
      otherFiles: raw.keys.otherFiles.map((file) => resolve(directory, file)),
    },
    ledger: raw.ledger,
    servers,
    serversDigest: canonicalDigest(servers),
    hooks,
    agents,
    policies: { files: raw.policies.files.map((pattern) => resolve(directory, pattern)) },
    approvals: { webhooks },
    callerLimits: callerLimits(raw.limits, given),
    limits: {
      callsInFlightMax,
      connectionsMax,
      processesMax,
      bodyBytesMax: bytes(bodyBytesMax),
      shutdownGraceMs: ms(shutdownGrace),
    },
    log: {
      level: raw.log.level,
      file: raw.log.file === undefined ? null : resolve(directory, raw.log.file),
    },
    node: { name: raw.node.name ?? null, roles: raw.node.roles },
    identity: { tokenTtlMs: ms(raw.identity.tokenTtl) },
    given,
    literalSecrets,
  };
  return freeze(config);
}

function callerLimits(raw: RawConfig["limits"], given: ReadonlySet<string>): Limits | null {
  const { perPrincipalCallsMax, tenantCallsMax = null, agents } = raw;
  const limits = { perPrincipalCallsMax, tenantCallsMax, agents };
  return Object.keys(limits).some((name) => given.has(`limits.${name}`)) ? limits : null;
}

function serverInput(
  name: string,
  raw: RawServer,
  secrets: ReadonlyMap<string, SecretText>,
  directory: string,
): ServerInput {
  const secretsOf = (part: "env" | "headers"): Record<string, SecretText> =>
    Object.fromEntries(
      Object.keys(raw[part] ?? {}).map((key) => {
        const secret = secrets.get(`/servers/${name}/${part}/${escapePointer(key)}`);
        invariant(secret !== undefined, "every env and headers value was resolved");
        return [key, secret];
      }),
    );
  return {
    name,
    transport:
      raw.url === undefined
        ? {
            kind: "stdio",
            command: raw.command ?? "",
            args: raw.args ?? [],
            env: secretsOf("env"),
            cwd: raw.cwd === undefined ? null : resolve(directory, raw.cwd),
          }
        : {
            kind: "http",
            url: raw.url,
            headers: secretsOf("headers"),
            ...(raw.auth === undefined ? {} : { auth: authOf(name, raw.auth, secrets) }),
          },
    enabled: raw.enabled,
    era: raw.era ?? null,
    callTimeoutMs: ms(raw.callTimeout),
    concurrencyMax: raw.concurrencyMax,
    resultBytesMax: bytes(raw.resultBytesMax),
    toolClasses: Object.fromEntries(Object.entries(raw.tools).map(([tool, said]) => [tool, classOf(said)])),
  };
}

function authOf(
  name: string,
  raw: NonNullable<RawServer["auth"]>,
  secrets: ReadonlyMap<string, SecretText>,
): OAuthSettings {
  const { clientSecret: _, privateKey: __, ...rest } = raw;
  const clientSecret = secrets.get(`/servers/${name}/auth/clientSecret`);
  const privateKey = secrets.get(`/servers/${name}/auth/privateKey`);
  return {
    ...rest,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(privateKey === undefined ? {} : { privateKey }),
  };
}

function classOf(raw: RawTool): ToolClass {
  switch (raw.class) {
    case "read":
      return { kind: "read", ...(raw.probe === undefined ? {} : { probe: probeOf(raw.probe) }) };
    case "effect":
      return { kind: "effect" };
    case "idempotent":
      return { kind: "idempotent", keyArgument: raw.keyArgument ?? "" };
    case "verifiable":
      return {
        kind: "verifiable",
        verifyTool: raw.verifyTool ?? "",
        ...(raw.verifyArguments === undefined ? {} : { verifyArguments: raw.verifyArguments }),
      };
  }
}

/** What the registry calls by another name than the file does. */
function inFile([first, ...rest]: readonly string[]): readonly string[] {
  if (first === undefined || first === "transport") return rest;
  return [first === "toolClasses" ? "tools" : first, ...rest];
}

const probeOf = ({ arguments: given, every }: NonNullable<RawTool["probe"]>): ToolProbe => ({
  arguments: given,
  ...(every === undefined ? {} : { everyMs: ms(every) }),
});

function ms(text: string): number {
  const value = parseDuration(text);
  invariant(value !== null, "the schema checked the duration");
  return value;
}

function bytes(text: string): number {
  const value = parseBytes(text);
  invariant(value !== null, "the schema checked the amount of bytes");
  return value;
}

function located(yaml: YamlText, pointer: string, isKey: boolean, message: string): ConfigProblem {
  let place = (isKey ? yaml.keys.get(pointer) : undefined) ?? yaml.values.get(pointer);
  // What is missing has no place; what should have held it has.
  for (let up = pointer; place === undefined && up !== "";) {
    up = up.slice(0, up.lastIndexOf("/"));
    place = yaml.keys.get(up) ?? yaml.values.get(up);
  }
  return { path: dotted(pointer), message, line: place?.line ?? null, column: place?.column ?? null };
}

/** Nobody reads more of them in one sitting. */
const problemsMax = 200;

function inOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const sorted = problems.toSorted(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  if (sorted.length <= problemsMax) return sorted;
  const message = `${sorted.length - problemsMax} more problems`;
  return [...sorted.slice(0, problemsMax), { path: "", line: null, column: null, message }];
}

const dotted = (pointer: string): string => keysOfPointer(pointer).join(".");

/** Sets stay as they are: they are typed as read-only and never leave this process. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || value instanceof Set)
    return value;
  Object.freeze(value);
  for (const child of Object.values(value)) freeze(child);
  return value;
}
