import { resolve } from "node:path";
import type { ExhaustionPolicy } from "../../../contract/index.ts";
import { invariant } from "../../base/index.ts";
import type { SecretText } from "../../registry/index.ts";
import type { Retries } from "../../runs/index.ts";
import { parseDuration } from "./units.ts";
import { escapePointer } from "./yaml.ts";
import type { InputSettings } from "../agents/hosted-input.ts";
import { schemaProblem } from "../agents/hosted-input.ts";

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
  readonly retries: Retries;
  /** Of a run whose start names none; null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  readonly input: InputSettings;
  /** null = the agent compacts if it can, else people are asked. */
  readonly onContextExhausted: ExhaustionPolicy | null;
  /** Of each run; null = any number. */
  readonly tokensMax: number | null;
}

/** What the schema leaves, defaults filled in. */
export interface RawAgent {
  readonly module: string;
  readonly version: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly runsMax: number;
  readonly startsMax: number;
  readonly retries: {
    readonly max: number;
    readonly within: string;
    readonly pause: string;
    readonly pauseMax: string;
  };
  readonly deadline?: string;
  readonly input: { readonly defaults: InputSettings["defaults"]; readonly schema?: InputSettings["schema"] };
  readonly onContextExhausted?: ExhaustionPolicy;
  readonly tokens?: { readonly max: number };
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
    retries: {
      max: raw.retries.max,
      withinMs: ms(raw.retries.within),
      pauseMs: ms(raw.retries.pause),
      pauseMsMax: ms(raw.retries.pauseMax),
    },
    deadlineMs: raw.deadline === undefined ? null : ms(raw.deadline),
    input: { defaults: raw.input.defaults, schema: raw.input.schema ?? null },
    onContextExhausted: raw.onContextExhausted ?? null,
    tokensMax: raw.tokens?.max ?? null,
  };
}

/** What no schema can say. */
export function agentProblems(
  agents: readonly AgentSettings[],
): readonly { readonly pointer: string; readonly message: string }[] {
  return agents.flatMap(({ name, retries, input }) => {
    const problems: { pointer: string; message: string }[] = [];
    const at = `/agents/${escapePointer(name)}`;
    if (retries.pauseMs > retries.pauseMsMax)
      problems.push({ pointer: `${at}/retries/pause`, message: "is longer than pauseMax" });
    const schema = schemaProblem(input);
    if (schema !== null)
      problems.push({ pointer: `${at}/input/schema`, message: `cannot be used: ${schema}` });
    return problems;
  });
}

function ms(text: string): number {
  const value = parseDuration(text);
  invariant(value !== null, "the schema checked the duration");
  return value;
}
