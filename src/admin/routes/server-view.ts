import { invariant } from "../../base/index.ts";
import { redactFields } from "../../telemetry/index.ts";
import type { Health, SecretText, ServerRecord, ServerSettings, Transport } from "../../registry/index.ts";
import { probeBounds, probeDefaults } from "../../registry/index.ts";
import { iso } from "../instant.ts";
import {
  flag,
  instant,
  listOf,
  mapOf,
  object,
  objectWith,
  text,
  textOrNull,
  whole,
  named,
} from "../../api/index.ts";
import type { Shape } from "../../api/index.ts";
import { oauthView, shownOAuthSettings } from "./oauth-view.ts";

/** What stands in a variable or header: shown only where neither its name nor its look says that it could be a secret. */
const shownValue = {
  oneOf: [
    object({ literal: text }),
    object({ vault: text }),
    object({
      hidden: { type: "integer", description: "a literal of so many characters, which may be a secret" },
    }),
  ],
} as const;

const shownTransport = named("ShownTransport", {
  oneOf: [
    object({
      kind: { const: "stdio" },
      command: text,
      args: listOf(text),
      env: mapOf(shownValue),
      cwd: textOrNull,
    }),
    objectWith(["kind", "url", "headers"], {
      kind: { const: "http" },
      url: text,
      headers: mapOf(shownValue),
      auth: shownOAuthSettings,
    }),
  ],
} as const);

export const toolClass = named("ToolClass", {
  description:
    'one of {"kind":"read"}, with "probe": {"arguments":{…}} and "everyMs" where the node is to see by itself whether the tool works, {"kind":"idempotent","keyArgument":…}, {"kind":"verifiable","verifyTool":…} with "verifyArguments" where it is not given all, {"kind":"effect"}',
  oneOf: [
    objectWith(["kind"], {
      kind: { const: "read" },
      probe: objectWith(["arguments"], {
        arguments: { type: "object", description: "what it is called with; on record with each probe" },
        everyMs: {
          type: "integer",
          minimum: probeBounds.everyMs.min,
          maximum: probeBounds.everyMs.max,
          description: `left out = ${probeDefaults.everyMs}`,
        },
      }),
    }),
    object({ kind: { const: "idempotent" }, keyArgument: text }),
    objectWith(["kind", "verifyTool"], {
      kind: { const: "verifiable" },
      verifyTool: text,
      verifyArguments: { ...listOf(text), minItems: 1, maxItems: 32 },
    }),
    object({ kind: { const: "effect" } }),
  ],
} as const);

export const health = named(
  "Health",
  objectWith(["state", "since"], {
    state: { enum: ["connecting", "healthy", "degraded", "down"] },
    since: instant,
    cause: { enum: ["correctness", "overload", "dependency"] },
    reason: text,
  }),
);

export const serverSettings = named(
  "ServerSettings",
  object({
    name: text,
    transport: shownTransport,
    enabled: flag,
    era: { enum: ["modern", "legacy", null] },
    callTimeoutMs: whole,
    concurrencyMax: whole,
    resultBytesMax: whole,
    toolClasses: mapOf(toolClass),
  }),
);

export const server = named(
  "Server",
  object({
    id: text,
    ...serverSettings.properties,
    origin: { enum: ["file", "api"] },
    version: whole,
    health,
  }),
);

export function serverView(
  record: ServerRecord,
  toolClasses: ServerSettings["toolClasses"],
  now: Health,
): Shape<typeof server> {
  const { id, origin, version, transport } = record;
  invariant(transport.kind !== "local", "a node's own server is in no list of servers");
  const settings = settingsView({ ...record, transport, toolClasses });
  return { id, ...settings, origin, version, health: healthView(now) };
}

export function settingsView(settings: ServerSettings): Shape<typeof serverSettings> {
  const { name, enabled, era, callTimeoutMs, concurrencyMax, resultBytesMax, toolClasses } = settings;
  const transport = transportView(settings.transport);
  return { name, transport, enabled, era, callTimeoutMs, concurrencyMax, resultBytesMax, toolClasses };
}

export function healthView(now: Health): Shape<typeof health> {
  const { state, since } = now;
  return "cause" in now
    ? { state, since: iso(since), cause: now.cause, reason: now.reason }
    : { state, since: iso(since) };
}

function transportView(transport: Transport): Shape<typeof shownTransport> {
  switch (transport.kind) {
    case "stdio": {
      const { kind, command, cwd } = transport;
      return { kind, command, args: argumentsView(transport.args), env: valuesView(transport.env), cwd };
    }
    case "http": {
      const { auth = null } = transport;
      return {
        kind: "http",
        url: withoutSecrets("url", transport.url),
        headers: valuesView(transport.headers),
        ...(auth === null ? {} : { auth: oauthView(auth) }),
      };
    }
  }
}

const valuesView = (
  values: Readonly<Record<string, SecretText>>,
): Readonly<Record<string, Shape<typeof shownValue>>> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      "vault" in value || withoutSecrets(name, value.literal) === value.literal
        ? value
        : { hidden: value.literal.length },
    ]),
  );

/** `--api-key`, `value` and `--api-key=value` are how secrets get into an argument list. */
function argumentsView(args: readonly string[]): readonly string[] {
  return args.map((argument, at) => {
    const equals = argument.indexOf("=");
    if (argument.startsWith("-") && equals > 0) {
      const name = argument.slice(0, equals);
      return `${name}=${withoutSecrets(name, argument.slice(equals + 1))}`;
    }
    const before = args[at - 1] ?? "";
    return withoutSecrets(before.startsWith("-") && !before.includes("=") ? before : "argument", argument);
  });
}

function withoutSecrets(name: string, value: string): string {
  const [shown] = Object.values(redactFields({ [name]: value }));
  return typeof shown === "string" ? shown : "[secret]";
}
