import { reservedServerName, serverNameMax, serverNamePattern } from "../../registry/index.ts";
import { agentSchema, hookSchema, webhookSchema } from "./schema-agents.ts";
import { postgresSchema } from "./schema-postgres.ts";
import { serverSchema } from "./schema-servers.ts";
import { ledgerSchema } from "./schema-ledger.ts";
import { limitsSchema } from "./schema-limits.ts";
import type { Schema } from "./schema-terms.ts";
import { section, duration, count, path, texts } from "./schema-terms.ts";

export type { Schema };

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
        "Further values of the Host header to answer to. Ports are not compared.",
        "The listening address and loopback names are always allowed; anything else may be a DNS rebinding attack.",
        64,
        "host or host:port",
      ),
      allowedOrigins: texts(
        "Origins that requests may name in their Origin header.",
        "Any other may be a page that somebody was lured to; requests without the header are not from a page. Preflights (CORS) are not answered: a page of another origin needs a proxy that puts the node under its own.",
        64,
        "origin, e.g. https://app.example.com",
      ),
      signIn: {
        type: "boolean",
        default: true,
        description:
          "Whether MCP clients may be connected by signing in: a page asks for the API key of an agent, and the client gets a token; programs exchange a key for one by themselves.",
        "x-unit": "true or false",
        "x-reason":
          "Whoever has the key could as well put it into the client. Off, nothing of it is offered, and the metadata of `/mcp` names no authorization server.",
      },
      clientDocuments: {
        type: "boolean",
        default: true,
        description:
          "Whether a client that signs in may be named by the https address of its metadata, which the node then fetches. Off, such clients register, as others do.",
        "x-unit": "true or false",
        "x-reason":
          "Clients that can do both prefer it, and cannot fall back: switch it off on a node that does not reach the internet. Only public addresses are fetched from.",
      },
    }),
    data: section("Where durable state is kept.", {
      directory: path(
        "The data directory: ledger, store and generated keys.",
        "Beside the configuration for a try-out; in production it is named, so that it is on the disk that is meant.",
        ".signalbox",
      ),
      postgres: postgresSchema,
    }),
    node: section("What this node is among those on the same data.", {
      name: {
        type: "string",
        maxLength: 64,
        pattern: "^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$",
        description: "Its name in leases, entries and logs.",
        "x-unit": "up to 64 of A-Z a-z 0-9 . _ -",
        "x-reason":
          "Left out, it is the host's name, with a number behind it when another node of that name lives. Named, the node waits at its start until the one before it is surely gone.",
      },
      roles: {
        type: "array",
        items: { enum: ["edge", "worker", "console"] },
        uniqueItems: true,
        minItems: 1,
        maxItems: 3,
        default: ["edge", "worker", "console"],
        description:
          "What it does: `edge` serves agents from elsewhere, `worker` starts agents and keeps timers, deadlines and announcements, `console` serves the API and pages for people.",
        "x-unit": "roles",
        "x-reason":
          "One node does all; with many, agents that are started need not share a machine with those that call.",
      },
    }),
    keys: section("Keys that protect what is stored.", {
      file: path(
        "The file with the key-encryption key: 32 bytes in base64, readable by the owner only.",
        "Left out, `dev` makes one inside the data directory, where it protects nothing against whoever copies that directory.",
      ),
      otherFiles: texts(
        "Key files that also open what is stored: the one before and the one to come, while keys are changed.",
        "A node puts everything under the key of `keys.file` when it starts; with many nodes each must have the new key before one uses it.",
        7,
        "paths, relative to the configuration file",
      ),
    }),
    ledger: ledgerSchema,
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
    limits: limitsSchema,
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
        "How long a token is valid when whoever asks for it does not say.",
        "Short enough that a lost one expires within a working day, long enough for one session.",
        "1m",
        "1d",
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
