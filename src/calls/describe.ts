import type { Principal } from "../identity/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Features, ServerRecord } from "../registry/index.ts";
import type { Described } from "./call.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** A client puts them into its model's prompt: what many servers say together must stay readable. */
const instructionsCharsMax = 16 * 1024;

/** Extensions we carry; another that a server announces is not announced by us. */
const carried = ["io.modelcontextprotocol/ui", "io.modelcontextprotocol/tasks"] as const;

interface Offered {
  readonly server: ServerRecord;
  readonly features: Features;
}

/** What the servers can do together; only what we carry, and only what we can keep. */
export function describeServers(
  offered: readonly Offered[],
  principal: Principal,
  policies: PolicySet,
): Described {
  const has = (name: string): boolean =>
    offered.some(({ features }) => isObject(features.capabilities[name]));
  const subscribes = offered.some(({ features }) => {
    const resources = features.capabilities["resources"];
    return isObject(resources) && resources["subscribe"] === true;
  });
  // Their lists are always answered, if with nothing: a server may come that has some.
  const capabilities: Record<string, unknown> = {
    tools: { listChanged: true },
    resources: { listChanged: true, ...(subscribes ? { subscribe: true } : {}) },
    prompts: { listChanged: true },
  };
  if (has("completions")) capabilities["completions"] = {};
  if (has("logging")) capabilities["logging"] = {};
  const extensions = extensionsOf(offered.map(({ features }) => features));
  if (extensions !== null) capabilities["extensions"] = extensions;
  const own = offered.filter((each) => mayUse(each, principal, policies));
  return { capabilities, instructions: instructionsOf(own) };
}

/** What a server says of itself is for those who may use something of it. Capabilities say too little to tell anybody anything. */
function mayUse({ server, features }: Offered, principal: Principal, policies: PolicySet): boolean {
  const id = (name: unknown): string => `${server.id}/${String(name)}`;
  return (
    features.instructions !== null &&
    (features.tools.some((name) => policies.mayList(principal, id(name))) ||
      features.resources.some(({ uri }) => policies.mayRead(principal, id(uri))) ||
      features.templates.some(({ uriTemplate }) => policies.mayRead(principal, id(uriTemplate))) ||
      features.prompts.some(({ name }) => policies.mayGet(principal, id(name))))
  );
}

/** One server's settings as they are; where several announce an extension, that it is there. */
function extensionsOf(features: readonly Features[]): JsonObject | null {
  const out: Record<string, unknown> = {};
  for (const name of carried) {
    const settings = features
      .map(({ capabilities }) => capabilities["extensions"])
      .filter(isObject)
      .map((extensions) => extensions[name])
      .filter(isObject);
    if (settings.length > 0) out[name] = settings.length === 1 ? settings[0] : {};
  }
  return Object.keys(out).length === 0 ? null : out;
}

function instructionsOf(offered: readonly Offered[]): string | null {
  const parts = offered.flatMap(({ server, features }) =>
    features.instructions === null || features.instructions.trim() === ""
      ? []
      : [offered.length === 1 ? features.instructions : `## ${server.name}\n${features.instructions}`],
  );
  return parts.length === 0 ? null : parts.join("\n\n").slice(0, instructionsCharsMax);
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
