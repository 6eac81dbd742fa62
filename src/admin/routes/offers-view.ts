import type { ServerRecord } from "../../registry/index.ts";
import type { House } from "../house.ts";
import type { Shape } from "../../api/index.ts";
import { object, whole } from "../../api/index.ts";

export const offers = {
  ...object({
    tools: whole,
    toolsCallable: whole,
    resources: whole,
    templates: whole,
    prompts: whole,
    skills: whole,
    profiles: whole,
  }),
  description:
    "how many of each it offers; `toolsCallable`: how many of the tools can be called now; `profiles`: for how many kinds of clients it was asked since the node started",
} as const;

export function offersView(house: House, { tenant, id }: ServerRecord): Shape<typeof offers> {
  const { profiles, resources, templates, prompts, skills } = house.registry.listedBy(id);
  const tools = house.registry
    .toolsOf(tenant)
    .filter(({ server, state }) => server.id === id && state.kind !== "gone");
  return {
    tools: tools.length,
    toolsCallable: tools.filter((tool) => house.registry.callable(tool).ok).length,
    resources: resources.length,
    templates: templates.length,
    prompts: prompts.length,
    skills: skills.length,
    profiles,
  };
}
