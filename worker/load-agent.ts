import { pathToFileURL } from "node:url";
import type { Agent } from "../sdk/index.ts";

interface Wanted {
  readonly agent: string;
  readonly version: string;
  readonly module: string;
}

/** The module's agent, if it is the one that the configuration means: a run must not be driven by another version's steps. */
export async function loadAgent({ agent, version, module }: Wanted): Promise<Agent> {
  const exported: unknown = ((await import(pathToFileURL(module).href)) as { readonly default?: unknown })
    .default;
  if (!isAgent(exported))
    throw new Error(`${module} has no agent as its default export: export default defineAgent({ … })`);
  if (exported.name !== agent || exported.version !== version)
    throw new Error(
      `${module} is ${exported.name} ${exported.version}; the configuration has it for ${agent} ${version}`,
    );
  return exported;
}

const isAgent = (it: unknown): it is Agent =>
  typeof it === "object" &&
  it !== null &&
  typeof (it as Agent).name === "string" &&
  typeof (it as Agent).version === "string" &&
  typeof (it as Agent).run === "function";
