import { skillsIn } from "../../registry/index.ts";
import { isObject } from "../message.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** What of a server's `capabilities` decides what it is asked. */
export interface Announced {
  readonly tools: boolean;
  readonly resources: boolean;
  readonly prompts: boolean;
  /** An extension: nobody is asked for it who does not announce it. */
  readonly skills: boolean;
  /** Whether it says when this list changes. */
  readonly toolsChange: boolean;
  readonly resourcesChange: boolean;
  readonly promptsChange: boolean;
  /** Whether single resources can be subscribed to. */
  readonly subscribe: boolean;
}

/**
 * null = the server never said; then it is asked for everything, as one that announces nothing at all is asked for tools: some
 * small servers announce nothing and have them.
 */
export function announcedIn(capabilities: JsonObject | null): Announced {
  if (capabilities === null) return unsaid;
  const { tools, resources, prompts } = capabilities;
  return {
    tools: isObject(tools) || !(isObject(resources) || isObject(prompts)),
    resources: isObject(resources),
    prompts: isObject(prompts),
    skills: skillsIn(capabilities) !== null,
    toolsChange: says(tools, "listChanged"),
    resourcesChange: says(resources, "listChanged"),
    promptsChange: says(prompts, "listChanged"),
    subscribe: says(resources, "subscribe"),
  };
}

const says = (capability: unknown, member: string): boolean =>
  isObject(capability) && capability[member] === true;

const unsaid: Announced = {
  tools: true,
  resources: true,
  prompts: true,
  skills: false,
  toolsChange: false,
  resourcesChange: false,
  promptsChange: false,
  subscribe: false,
};
