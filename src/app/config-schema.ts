import {
  oauthAlgorithms,
  reservedServerName,
  serverBounds,
  serverDefaults,
  serverNameMax,
  serverNamePattern,
} from "../registry/index.ts";
import { bytesPattern, bytesText, durationPattern, durationText } from "./config-units.ts";

/**
 * The configuration file as one JSON Schema (2020-12): what editors complete with, what `config.ts` validates with, and what the
 * reference page is generated from. Three annotations are ours: `x-unit`, `x-reason` (why this default or bound), and `x-bounds`
 * (for texts that mean a number). `x-secret` marks where a `${vault:name}` reference may stand.
 */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly "x-unit"?: string;
  readonly "x-reason"?: string;
  readonly "x-bounds"?: { readonly of: "duration" | "bytes"; readonly min: string; readonly max: string };
  readonly "x-secret"?: boolean;
  readonly [keyword: string]: unknown;
}

const section = (description: string, properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  description,
  default: {},
  additionalProperties: false,
  properties,
});

const duration = (description: string, reason: string, min: string, max: string, value: string): Schema => ({
  type: "string",
  description,
  default: value,
  pattern: durationPattern,
  "x-unit": "duration: ms, s, m, h or d",
  "x-bounds": { of: "duration", min, max },
  "x-reason": reason,
});

const bytes = (description: string, reason: string, min: string, max: string, value: string): Schema => ({
  type: "string",
  description,
  default: value,
  pattern: bytesPattern,
  "x-unit": "bytes: B, KiB, MiB or GiB",
  "x-bounds": { of: "bytes", min, max },
  "x-reason": reason,
});

const count = (
  description: string,
  reason: string,
  unit: string,
  minimum: number,
  maximum: number,
  value: number,
): Schema => ({
  type: "integer",
  description,
  default: value,
  minimum,
  maximum,
  "x-unit": unit,
  "x-reason": reason,
});

const path = (description: string, reason: string, value?: string): Schema => ({
  type: "string",
  description,
  minLength: 1,
  maxLength: 4_096,
  ...(value === undefined ? {} : { default: value }),
  "x-unit": "path, relative to the configuration file",
  "x-reason": reason,
});

const texts = (description: string, reason: string, maxItems: number, unit: string): Schema => ({
  type: "array",
  description,
  default: [],
  maxItems,
  items: { type: "string", minLength: 1, maxLength: 4_096 },
  "x-unit": unit,
  "x-reason": reason,
});

const toolSchema: Schema = {
  type: "object",
  description: "What an administrator says about one tool, by its upstream name.",
  additionalProperties: false,
  required: ["class"],
  properties: {
    class: {
      enum: ["read", "idempotent", "verifiable", "effect"],
      description:
        "What repeating a call means. `read`: no effect. `idempotent`: one effect per key. `verifiable`: another tool answers whether it happened. `effect`: may not be sent twice.",
      "x-unit": "class",
      "x-reason": "A tool that nobody has classified counts as `effect`, the class that is never repeated.",
    },
    keyArgument: {
      type: "string",
      minLength: 1,
      maxLength: 128,
      description: "For `idempotent`: the top-level string argument the key travels in.",
      "x-unit": "argument name",
      "x-reason": "Only a string at the top level can be set without guessing what the schema means.",
    },
    verifyTool: {
      type: "string",
      minLength: 1,
      maxLength: 128,
      description:
        "For `verifiable`: the tool of the same server that answers whether a call happened. Must be of class `read`.",
      "x-unit": "tool name",
      "x-reason": "Asked by the node itself when a call's outcome is unknown.",
    },
    verifyArguments: {
      type: "array",
      minItems: 1,
      maxItems: 32,
      items: { type: "string", minLength: 1, maxLength: 128 },
      description:
        "For `verifiable`: which top-level arguments of the call the verify tool is given. Left out: all of them.",
      "x-unit": "argument names",
      "x-reason": "A tool that looks something up seldom takes all that the tool took which made it.",
    },
  },
  allOf: [
    {
      if: { properties: { class: { const: "idempotent" } }, required: ["class"] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nobody awaits a schema
      then: { required: ["keyArgument"] },
      else: { properties: { keyArgument: false } },
    },
    {
      if: { properties: { class: { const: "verifiable" } }, required: ["class"] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nobody awaits a schema
      then: { required: ["verifyTool"] },
      else: { properties: { verifyTool: false, verifyArguments: false } },
    },
  ],
};

const authSchema: Schema = {
  type: "object",
  description: "How Signalbox gets its own token for the server, by OAuth.",
  "x-unit": "settings",
  "x-reason": "Left out, requests carry what `headers` says and nothing else.",
  additionalProperties: false,
  required: ["kind"],
  properties: {
    kind: {
      enum: ["oauth"],
      description: "The way in. There is one.",
      "x-unit": "kind",
      "x-reason": "A fixed token stands in `headers` instead.",
    },
    grant: {
      enum: ["authorization-code", "client-credentials"],
      description:
        "`authorization-code`: a person consents once, after `signalbox servers authorize`. `client-credentials`: Signalbox acts for itself.",
      "x-unit": "grant",
      "x-reason": "Left out, it is `authorization-code`, which every MCP server with OAuth has.",
    },
    issuer: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      description: "The only authorization server whose tokens are used.",
      "x-unit": "URL (https)",
      "x-reason":
        "Left out, it is the first that the server names. Needed with `clientId`: else the server could choose who is shown the secret.",
    },
    clientId: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      description: "A client that was registered at `issuer` by hand.",
      "x-unit": "text",
      "x-reason":
        "Left out, Signalbox introduces itself: by its metadata document where `listen.publicUrl` is https, else by registering.",
    },
    clientSecret: {
      type: "string",
      maxLength: 8_192,
      "x-secret": true,
      description: "The client's secret; `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "Shown to `issuer` alone.",
    },
    secretMethod: {
      enum: ["basic", "post"],
      description: "How the secret travels: in a header or in the form.",
      "x-unit": "method",
      "x-reason": "Left out, as the authorization server says.",
    },
    privateKey: {
      type: "string",
      maxLength: 16_384,
      "x-secret": true,
      description: "The client's private key, PKCS #8 PEM or JWK, in place of a secret (`private_key_jwt`).",
      "x-unit": "text",
      "x-reason": "What is signed with it can be used once and for a minute; the key itself never leaves.",
    },
    algorithm: {
      enum: oauthAlgorithms,
      description: "How the private key signs.",
      "x-unit": "JWS algorithm",
      "x-reason": "One key could often be used with several.",
    },
    scopes: texts(
      "Scopes to ask for beyond those the server names.",
      "The server's own challenge and metadata say what it needs.",
      64,
      "scopes",
    ),
    dpop: {
      enum: ["auto", "always", "never"],
      description: "Proof of possession (RFC 9449): a stolen token is of no use without Signalbox's key.",
      "x-unit": "when",
      "x-reason": "Left out, it is `auto`: when the server or its metadata asks for it.",
    },
  },
};

const serverSchema: Schema = {
  type: "object",
  description:
    "One upstream server: `command` for one that is started here and speaks over its standard input and output, `url` for one that is reached over Streamable HTTP.",
  additionalProperties: false,
  oneOf: [{ required: ["command"] }, { required: ["url"] }],
  dependentRequired: {
    args: ["command"],
    env: ["command"],
    cwd: ["command"],
    headers: ["url"],
    auth: ["url"],
  },
  properties: {
    command: {
      type: "string",
      minLength: 1,
      maxLength: 4_096,
      description: "The program to start. No shell reads it.",
      "x-unit": "program name or path",
      "x-reason": "Program and arguments are passed as they are, so nothing in them can become a command.",
    },
    args: {
      type: "array",
      maxItems: 256,
      items: { type: "string", maxLength: 32_768 },
      description: "The program's arguments.",
      "x-unit": "texts",
      "x-reason": "256 is ten times the longest list seen in the field.",
    },
    env: {
      type: "object",
      maxProperties: 256,
      propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
      additionalProperties: { type: "string", maxLength: 32_768, "x-secret": true },
      description:
        "The program's environment variables. It gets these and the few a program needs to start, nothing else of ours. A value may be `${vault:name}` or contain `${env:NAME}`.",
      "x-unit": "name to text",
      "x-reason": "An inherited environment would hand every secret of this process to every server.",
    },
    cwd: path("The directory the program starts in.", "Default: the data directory."),
    url: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      pattern: "^https?://",
      description: "The address of the server's MCP endpoint.",
      "x-unit": "URL (http or https)",
      "x-reason": "Credentials belong in `headers`, not in the address, which gets logged.",
    },
    headers: {
      type: "object",
      maxProperties: 64,
      additionalProperties: { type: "string", maxLength: 8_192, "x-secret": true },
      description:
        "Headers sent with every request. A value may be `${vault:name}` or contain `${env:NAME}`.",
      "x-unit": "name to text",
      "x-reason": "Headers of the protocol and the connection are refused here; Signalbox sets those.",
    },
    auth: authSchema,
    era: {
      enum: ["modern", "legacy"],
      description: "The protocol era the server speaks: `modern` is MCP 2026-07-28, `legacy` older.",
      "x-unit": "era",
      "x-reason": "Left out, it is found out at the first connection and remembered.",
    },
    enabled: {
      type: "boolean",
      default: true,
      description: "Whether its tools may be called.",
      "x-unit": "true or false",
      "x-reason": "A server can be switched off without losing the pins of its tools.",
    },
    callTimeout: duration(
      "How long one call may take when the caller names no shorter deadline.",
      "A minute is what most MCP clients wait for.",
      durationText(serverBounds.callTimeoutMs.min),
      durationText(serverBounds.callTimeoutMs.max),
      durationText(serverDefaults.callTimeoutMs),
    ),
    concurrencyMax: count(
      "Calls in flight to this server at once; more wait.",
      "What one small process bears.",
      "calls",
      serverBounds.concurrencyMax.min,
      serverBounds.concurrencyMax.max,
      serverDefaults.concurrencyMax,
    ),
    resultBytesMax: bytes(
      "A result larger than this is withheld.",
      "The largest legitimate result seen in the field had 3.1 MB.",
      bytesText(serverBounds.resultBytesMax.min),
      bytesText(serverBounds.resultBytesMax.max),
      bytesText(serverDefaults.resultBytesMax),
    ),
    tools: {
      type: "object",
      description: "Classes of this server's tools, by upstream name.",
      default: {},
      maxProperties: 2_000,
      propertyNames: { maxLength: 128 },
      additionalProperties: toolSchema,
      "x-unit": "tool name to settings",
      "x-reason": "A class declared here is changed here alone.",
    },
  },
};

const hookSchema: Schema = {
  type: "object",
  description:
    "What starts an agent again when it has died or what it rests for has come: `command`, a program that is started here, or `url`, somebody else who starts it.",
  additionalProperties: false,
  required: ["agents"],
  oneOf: [{ required: ["command"] }, { required: ["url", "secret"] }],
  dependentRequired: {
    args: ["command"],
    env: ["command"],
    cwd: ["command"],
    secret: ["url"],
  },
  properties: {
    agents: {
      type: "array",
      minItems: 1,
      maxItems: 1_000,
      items: { type: "string", minLength: 1, maxLength: 128 },
      description: "The agents of the tenant, by name, that may have themselves started by it.",
      "x-unit": "names of agents",
      "x-reason": "What is started holds somebody's token; nobody else may decide what it is started for.",
    },
    command: {
      type: "string",
      minLength: 1,
      maxLength: 4_096,
      description:
        "The program to start. No shell reads it. Its run is in `SIGNALBOX_RUN` of its environment.",
      "x-unit": "program name or path",
      "x-reason": "Program and arguments are passed as they are, so nothing in them can become a command.",
    },
    args: {
      type: "array",
      maxItems: 256,
      items: { type: "string", maxLength: 32_768 },
      description: "The program's arguments.",
      "x-unit": "texts",
      "x-reason": "As many as a server's.",
    },
    env: {
      type: "object",
      maxProperties: 256,
      propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
      additionalProperties: { type: "string", maxLength: 32_768, "x-secret": true },
      description:
        "The program's environment variables, its token among them. It gets these, `SIGNALBOX_RUN`, `SIGNALBOX_RUN_ID`, `SIGNALBOX_ATTEMPT`, `SIGNALBOX_START`, and the few a program needs to start. A value may be `${vault:name}` or contain `${env:NAME}`.",
      "x-unit": "name to text",
      "x-reason": "An inherited environment would hand every secret of this process to the agent.",
    },
    cwd: path("The directory the program starts in.", "Default: the configuration file's."),
    processesMax: count(
      "Programs of this hook that may run at once.",
      "More runs wait for their turn; what one agent needs differs too much for a better guess.",
      "processes",
      1,
      1_000,
      8,
    ),
    url: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      pattern: "^https?://",
      description: "Whom to ask to start the agent, by a webhook (Standard Webhooks).",
      "x-unit": "URL (http or https)",
      "x-reason": "What is asked for is signed, so the address needs no credential in it.",
    },
    secret: {
      type: "string",
      maxLength: 1_024,
      "x-secret": true,
      description:
        "What webhooks are signed with: `whsec_` and base64; `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "Whoever starts agents must know who asks.",
    },
    startsMax: count(
      "Starts in a row that lead to nothing before the run fails.",
      "Five starts with doubling pauses take a quarter of an hour; what is broken then stays broken.",
      "starts",
      1,
      1_000,
      5,
    ),
  },
};

const versionPattern = "^[A-Za-z0-9._-]{1,32}$";

const agentSchema: Schema = {
  type: "object",
  description: "An agent whose runs the node starts, drives and parks, in a process of its own per version.",
  additionalProperties: false,
  required: ["module", "version"],
  properties: {
    module: path(
      "The JavaScript or TypeScript module whose default export is the agent.",
      "It is loaded in the agent's process, never in the node.",
    ),
    version: {
      type: "string",
      pattern: versionPattern,
      maxLength: 32,
      description: "The version that new runs begin with; the module must say the same.",
      "x-unit": "text",
      "x-reason": "A run stays with the version it began with, because its steps are that version's.",
    },
    versions: {
      type: "object",
      default: {},
      maxProperties: 32,
      propertyNames: { pattern: versionPattern },
      additionalProperties: path("The module of that version.", "Runs that began with it go on with it."),
      description: "Earlier versions that still have open runs.",
      "x-unit": "version to path, relative to the configuration file",
      "x-reason": "A run whose version is missing here waits until it is back, or somebody cancels it.",
    },
    env: {
      type: "object",
      default: {},
      maxProperties: 256,
      propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
      additionalProperties: { type: "string", maxLength: 32_768, "x-secret": true },
      description:
        "Variables of the agent's process, besides the few that every process needs. `${vault:name}` reads the value from the vault.",
      "x-unit": "name to text",
      "x-reason": "Nothing else of the node's environment is passed on.",
    },
    runsMax: count(
      "Runs in the agent's process at once; those that wait are not among them.",
      "More wait for their turn. A run in memory costs what its agent makes of it.",
      "runs",
      1,
      100_000,
      256,
    ),
    startsMax: count(
      "Starts in a row that lead to no step before the run fails, with the last reason.",
      "With pauses that double from a second, ten take a quarter of an hour; what is broken then stays broken.",
      "starts",
      1,
      1_000,
      10,
    ),
  },
};

const webhookSchema: Schema = {
  type: "object",
  description: "One address, and the secret that its receiver verifies messages with.",
  additionalProperties: false,
  required: ["url", "secret"],
  properties: {
    url: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      pattern: "^https?://",
      description: "Where the messages are posted to.",
      "x-unit": "URL (http or https)",
      "x-reason": "It is logged, so what must stay secret belongs in `secret`.",
    },
    secret: {
      type: "string",
      maxLength: 1_024,
      "x-secret": true,
      description:
        "What the messages are signed with: `whsec_` and 24 to 64 bytes in base64; two, with a blank between them, while receivers change over. `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "Anybody can post to an address; only the signature tells whose message it is.",
    },
  },
};

export const configSchema: Schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "signalbox.yaml",
  description: "How a Signalbox node starts, and the servers and policies it is given.",
  type: "object",
  additionalProperties: false,
  properties: {
    tenant: {
      type: "string",
      pattern: "^[a-z0-9](?:-?[a-z0-9])*$",
      maxLength: 63,
      not: { const: "system" },
      default: "default",
      description: "The tenant that the servers and policies of this file belong to.",
      "x-unit": "tenant name",
      "x-reason": "`system` is reserved for acts on the installation itself.",
    },
    listen: section("Where the node listens.", {
      host: {
        type: "string",
        minLength: 1,
        maxLength: 253,
        default: "127.0.0.1",
        description: "The address to listen on.",
        "x-unit": "host name or IP address",
        "x-reason": "Loopback: nobody else can reach a node until somebody decides so.",
      },
      port: count(
        "The port to listen on.",
        "0 takes any free port and prints it.",
        "TCP port",
        0,
        65_535,
        7_070,
      ),
      publicUrl: {
        type: "string",
        minLength: 1,
        maxLength: 1_024,
        pattern: "^https?://[^/?#@]+/?$",
        description: "How clients and browsers reach this node from outside.",
        "x-unit": "URL without a path, e.g. https://signalbox.example.com",
        "x-reason":
          "Tokens are made for the address that clients use, and authorization servers send people back to it. Left out, the Host header and the listening address serve.",
      },
      allowedHosts: texts(
        "Further values of the Host header to answer to, with port where it is not the standard one.",
        "The listening address and loopback names are always allowed; anything else may be a DNS rebinding attack.",
        64,
        "host or host:port",
      ),
      allowedOrigins: texts(
        "Origins whose pages may call this node from a browser.",
        "A page of any other origin is refused; requests without an Origin header are not from a page.",
        64,
        "origin, e.g. https://app.example.com",
      ),
    }),
    data: section("Where durable state is kept.", {
      directory: path(
        "The data directory: ledger, store and generated keys.",
        "Beside the configuration for a try-out; in production it is named, so that it is on the disk that is meant.",
        ".signalbox",
      ),
    }),
    keys: section("Keys that protect what is stored.", {
      file: path(
        "The file with the key-encryption key: 32 bytes in base64, readable by the owner only.",
        "Left out, `dev` makes one inside the data directory, where it protects nothing against whoever copies that directory.",
      ),
    }),
    servers: {
      type: "object",
      default: {},
      maxProperties: 1_000,
      description: `The upstream servers, by name. A name is the prefix of the server's tools: a-z and 0-9 with single hyphens between, at most ${serverNameMax} characters, not "${reservedServerName}".`,
      propertyNames: {
        pattern: serverNamePattern.source,
        maxLength: serverNameMax,
        not: { const: reservedServerName },
      },
      additionalProperties: serverSchema,
    },
    policies: section("The policies that decide.", {
      files: texts(
        "Cedar policy files, as glob patterns.",
        "Without files and without policies set through the API, `serve` permits administrators only, and `dev` lets every agent use every tool.",
        256,
        "glob patterns, relative to the configuration file",
      ),
    }),
    hooks: {
      type: "object",
      default: {},
      maxProperties: 256,
      description:
        "What starts agents again, by name. An agent names its hook when it first attaches to a run.",
      propertyNames: { pattern: "^[A-Za-z0-9._:-]{1,128}$" },
      additionalProperties: hookSchema,
      "x-unit": "name to settings",
      "x-reason": "An agent can only name what an operator has written down.",
    },
    agents: {
      type: "object",
      default: {},
      maxProperties: 256,
      description:
        "Hosted agents, by the name of the agent of the tenant in whose name they act; one that there is not is made.",
      propertyNames: { pattern: "^[A-Za-z0-9._-]{1,64}$" },
      additionalProperties: agentSchema,
      "x-unit": "name to settings",
      "x-reason": "What an agent may do is policy's to say, under the same name.",
    },
    approvals: section("How people hear that they are asked for an approval.", {
      webhooks: {
        type: "object",
        default: {},
        maxProperties: 16,
        propertyNames: { pattern: "^[a-z0-9](?:-?[a-z0-9])*$", maxLength: 63 },
        additionalProperties: webhookSchema,
        description:
          "Addresses that are told, in signed messages (Standard Webhooks), when people are asked, when others are asked as well, and when it is decided. Never what the call's arguments are.",
        "x-unit": "name to settings",
        "x-reason": "A chat, a pager and a ticket system are three; each message goes to all of them.",
      },
    }),
    limits: section("Bounds that keep one caller, or all of them, from exhausting the node.", {
      callsInFlightMax: count(
        "Calls being worked on at once, in the whole node.",
        "About a tenth of a second of work at the throughput measured on two cores.",
        "calls",
        1,
        100_000,
        1_000,
      ),
      perPrincipalCallsMax: count(
        "Calls being worked on at once for one principal.",
        "No single agent may hold more than a tenth of the node.",
        "calls",
        1,
        100_000,
        100,
      ),
      bodyBytesMax: bytes(
        "The largest request body that is read.",
        "Forty times the largest arguments seen in the field; parsing more would stall other callers.",
        "1KiB",
        "64MiB",
        "4MiB",
      ),
      connectionsMax: count(
        "Client connections at once.",
        "10,000 idle connections cost about 100 MB.",
        "connections",
        1,
        100_000,
        10_000,
      ),
      processesMax: count(
        "Server processes that may run at once.",
        "At about 100 MB each, 64 of them fill a small machine.",
        "processes",
        0,
        10_000,
        64,
      ),
      shutdownGrace: duration(
        "How long calls in flight may take to finish when the node is told to stop.",
        "Below the 30 seconds after which Kubernetes kills.",
        "0s",
        "1h",
        "20s",
      ),
    }),
    log: section("What is logged, and where.", {
      level: {
        enum: ["trace", "debug", "info", "warn", "error", "fatal"],
        default: "info",
        description: "The least important level that is logged.",
        "x-unit": "level",
        "x-reason": "`info` has one record per call and nothing personal in it.",
      },
      file: path("The log file.", "Left out, the log goes to standard error."),
    }),
    identity: section("How agents prove who they are.", {
      tokenTtl: duration(
        "How long a token of the built-in issuer is valid.",
        "Short enough that a lost one expires within a working day, long enough for one session.",
        "1m",
        "30d",
        "1h",
      ),
    }),
  },
};

/** The schema of the setting at this path, or null where no setting can be. */
export function schemaAt(path: readonly string[]): Schema | null {
  let schema: Schema | null = configSchema;
  for (const key of path) {
    if (schema === null) return null;
    if (schema.items !== undefined) schema = schema.items;
    else if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) {
      schema = schema.properties[key] ?? null;
    } else {
      const rest: boolean | Schema | undefined = schema.additionalProperties;
      schema = typeof rest === "object" ? rest : null;
    }
  }
  return schema;
}
