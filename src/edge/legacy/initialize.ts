import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import { describe } from "../description.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import type { EdgeOptions } from "../options.ts";
import type { SessionIds } from "./session-ids.ts";
import { negotiated } from "./versions.ts";

/** What this era can be offered. */
const capabilityNames = [
  "tools",
  "resources",
  "prompts",
  "completions",
  "logging",
  "extensions",
  "experimental",
];
/** Extensions that need requests to describe themselves. */
const modernExtensions: ReadonlySet<string> = new Set(["io.modelcontextprotocol/tasks"]);

export interface Initialized {
  readonly sessionId: string;
  /** JSON text of the result. */
  readonly text: string;
}

/** Answers `initialize` with a new session. Nothing is kept of it: its id is all there is. */
export function initialize(
  options: Pick<EdgeOptions, "calls" | "instructions" | "serverInfo">,
  ids: SessionIds,
  principal: Principal,
  params: JsonObject,
): Result<Initialized> {
  const { protocolVersion, capabilities, clientInfo } = params;
  if (typeof protocolVersion !== "string") return bad("params.protocolVersion must be a string.");
  if (!isObject(capabilities)) return bad("params.capabilities must be an object.");
  if (!isObject(clientInfo)) return bad("params.clientInfo must be an object.");
  const version = negotiated(protocolVersion);
  const described = describe(options, principal, capabilityNames);
  const text = JSON.stringify({
    protocolVersion: version,
    capabilities: withoutModernExtensions(described.capabilities),
    serverInfo: options.serverInfo,
    ...(described.instructions === null ? {} : { instructions: described.instructions }),
  });
  return ok({ sessionId: ids.issue(principal, version, capabilities), text });
}

function withoutModernExtensions(capabilities: JsonObject): JsonObject {
  const { extensions, ...rest } = capabilities;
  if (!isObject(extensions)) return rest;
  const carried = Object.entries(extensions).filter(([name]) => !modernExtensions.has(name));
  return carried.length === 0 ? rest : { ...rest, extensions: Object.fromEntries(carried) };
}

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
