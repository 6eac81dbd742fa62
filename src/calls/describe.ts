import type { Principal } from "../identity/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Features, ServerRecord } from "../registry/index.ts";
import { skillsExtension, skillsIn } from "../registry/index.ts";
import type { Described } from "./call.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** A client puts them into its model's prompt: what many servers say together must stay readable. */
const instructionsCharsMax = 16 * 1024;

/** Extensions we carry as their servers announce them, besides skills; another is not announced by us. */
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
  const skills = skillsFor(offered, principal, policies);
  if (skills !== null) extensions[skillsExtension] = skills;
  if (Object.keys(extensions).length > 0) capabilities["extensions"] = extensions;
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
      features.prompts.some(({ name }) => policies.mayGet(principal, id(name))) ||
      features.skills.some(({ uri }) => policies.mayRead(principal, id(uri))))
  );
}

/** One server's settings as they are; where several announce an extension, that it is there. */
function extensionsOf(features: readonly Features[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const name of carried) {
    const settings = features
      .map(({ capabilities }) => capabilities["extensions"])
      .filter(isObject)
      .map((extensions) => extensions[name])
      .filter(isObject);
    if (settings.length > 0) out[name] = settings.length === 1 ? settings[0] : {};
  }
  return out;
}

/**
 * What its servers together can do with skills; null = none of them has any for this caller. Of a server that lists none nothing can
 * be told: it may serve skills that it does not list (SEP-2640).
 */
function skillsFor(
  offered: readonly Offered[],
  principal: Principal,
  policies: PolicySet,
): JsonObject | null {
  const found = offered.flatMap(({ server, features: { capabilities, skills } }) => {
    const mayHave =
      skills.length === 0 ||
      skills.some(({ uri }) => policies.mayRead(principal, `${server.id}/${String(uri)}`));
    const settings = mayHave ? skillsIn(capabilities) : null;
    return settings === null ? [] : [settings];
  });
  if (found.length === 0) return null;
  return found.some(({ directories }) => directories) ? { directoryRead: true } : {};
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
