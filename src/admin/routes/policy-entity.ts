import type { Principal } from "../../identity/index.ts";
import type { House } from "../house.ts";
import { serverNamed } from "./servers.ts";

/** The policy id of a resource or template, by URI or `<server>/<URI>`. With a server it need not be listed. null = nobody's. */
export function resourceId(house: House, actor: Principal, reference: string): string | null {
  const { registry } = house;
  const found =
    registry.resourceAt(actor.tenant, reference, null) ?? registry.templateAt(actor.tenant, reference);
  return onServer(house, actor, reference) ?? found?.id ?? null;
}

/** The policy id of a prompt, by exposed name or `<server>/<name>`. */
export const promptId = (house: House, actor: Principal, reference: string): string | null =>
  onServer(house, actor, reference) ?? house.registry.promptNamed(actor.tenant, reference)?.id ?? null;

/** No URI begins with a server's name and a slash: what stands before its first slash ends in a colon. */
function onServer(house: House, actor: Principal, reference: string): string | null {
  const slash = reference.indexOf("/");
  const server = slash < 1 ? null : serverNamed(house, actor, reference.slice(0, slash));
  return server?.ok === true ? server.value.id + reference.slice(slash) : null;
}
