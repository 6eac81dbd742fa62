import { resolve } from "node:path";
import { invariant } from "../base/index.ts";
import type { SecretText } from "../registry/index.ts";
import { escapePointer } from "./config-yaml.ts";

/** What starts agents again, as the configuration says. */
export type HookSettings =
  | {
      readonly kind: "command";
      readonly name: string;
      readonly agents: readonly string[];
      readonly startsMax: number;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, SecretText>>;
      /** Absolute. */
      readonly cwd: string;
      readonly processesMax: number;
    }
  | {
      readonly kind: "webhook";
      readonly name: string;
      readonly agents: readonly string[];
      readonly startsMax: number;
      readonly url: string;
      readonly secret: SecretText;
    };

/** What the schema leaves, defaults filled in. */
export interface RawHook {
  readonly agents: readonly string[];
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly processesMax: number;
  readonly url?: string;
  readonly startsMax: number;
}

export function hookSettings(
  name: string,
  raw: RawHook,
  secrets: ReadonlyMap<string, SecretText>,
  directory: string,
): HookSettings {
  const secretAt = (path: string): SecretText => {
    const secret = secrets.get(`/hooks/${escapePointer(name)}/${path}`);
    invariant(secret !== undefined, "every value that may be a secret was resolved");
    return secret;
  };
  const { agents, startsMax, processesMax } = raw;
  if (raw.url !== undefined)
    return { kind: "webhook", name, agents, startsMax, url: raw.url, secret: secretAt("secret") };
  const env = Object.keys(raw.env ?? {}).map((key) => [key, secretAt(`env/${escapePointer(key)}`)] as const);
  return {
    kind: "command",
    name,
    agents,
    startsMax,
    processesMax,
    command: raw.command ?? "",
    args: raw.args ?? [],
    env: Object.fromEntries(env),
    cwd: resolve(directory, raw.cwd ?? "."),
  };
}
