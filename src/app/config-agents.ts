import { resolve } from "node:path";
import { invariant } from "../base/index.ts";
import type { SecretText } from "../registry/index.ts";
import { escapePointer } from "./config-yaml.ts";

/** A hosted agent, as the configuration says. */
export interface AgentSettings {
  readonly name: string;
  /** Of new runs. */
  readonly version: string;
  /** Version to an absolute path; the one of new runs among them. */
  readonly modules: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, SecretText>>;
  readonly runsMax: number;
  readonly startsMax: number;
}

/** What the schema leaves, defaults filled in. */
export interface RawAgent {
  readonly module: string;
  readonly version: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly runsMax: number;
  readonly startsMax: number;
}

export function agentSettings(
  name: string,
  raw: RawAgent,
  secrets: ReadonlyMap<string, SecretText>,
  directory: string,
): AgentSettings {
  const { module, version, versions, runsMax, startsMax } = raw;
  const env = Object.keys(raw.env).map((key) => {
    const secret = secrets.get(`/agents/${escapePointer(name)}/env/${escapePointer(key)}`);
    invariant(secret !== undefined, "every value that may be a secret was resolved");
    return [key, secret] as const;
  });
  const modules = Object.entries({ ...versions, [version]: module });
  return {
    name,
    version,
    modules: Object.fromEntries(modules.map(([each, path]) => [each, resolve(directory, path)])),
    env: Object.fromEntries(env),
    runsMax,
    startsMax,
  };
}
