import {
  oauthAlgorithms,
  probeBounds,
  probeDefaults,
  serverBounds,
  serverDefaults,
} from "../../registry/index.ts";
import type { Schema } from "./schema-terms.ts";
import { bytesText, durationText } from "./units.ts";
import {
  duration,
  optionalDuration,
  bytes,
  count,
  path,
  texts,
  program,
  programArguments,
  environment,
  address,
} from "./schema-terms.ts";

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
    probe: {
      type: "object",
      description:
        "For `read`: the node calls the tool by itself, to find out whether it works; agents do not see one that does not.",
      "x-unit": "settings",
      "x-reason": "Left out, what is known of a tool is how calls of agents end, and how its server is.",
      additionalProperties: false,
      required: ["arguments"],
      properties: {
        arguments: {
          type: "object",
          maxProperties: 128,
          description: "What it is called with. On record with each probe, so no place for secrets.",
          "x-unit": "arguments",
          "x-reason":
            "Nobody but whoever knows the tool can say what is cheap to ask and always has an answer.",
        },
        every: optionalDuration(
          "Between two probes, give or take a tenth; sooner while it does not work.",
          `Left out, it is ${durationText(probeDefaults.everyMs)}: each probe is a call with an entry of its own.`,
          durationText(probeBounds.everyMs.min),
          durationText(probeBounds.everyMs.max),
        ),
      },
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
      if: { properties: { class: { const: "read" } }, required: ["class"] },
      else: { properties: { probe: false } },
    },
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

export const serverSchema: Schema = {
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
    command: program("The program to start. No shell reads it."),
    args: programArguments("256 is ten times the longest list seen in the field."),
    env: environment(
      "The program's environment variables. It gets these and the few a program needs to start, nothing else of ours. A value may be `${vault:name}` or contain `${env:NAME}`.",
      "An inherited environment would hand every secret of this process to every server.",
    ),
    cwd: path("The directory the program starts in.", "Default: the data directory."),
    url: address(
      "The address of the server's MCP endpoint.",
      "Credentials belong in `headers`, not in the address, which gets logged.",
    ),
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
