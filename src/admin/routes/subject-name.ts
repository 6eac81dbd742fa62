import type { TenantId } from "../../identity/index.ts";
import type { ServerId } from "../../registry/index.ts";
import type { House } from "../house.ts";

/**
 * How people know what an entry is about, as it is named today: a tool by its exposed name, a server by its name, and what else a
 * server has (a resource, a tool that is gone) by the server's name and its own. null = its id is all there is to say.
 */
export function subjectName(
  { registry }: Pick<House, "registry">,
  tenant: TenantId,
  subject: string,
): string | null {
  const tool = registry.toolById(tenant, subject);
  if (tool !== null) return tool.exposedName;
  const slash = subject.indexOf("/");
  const server = registry.server((slash === -1 ? subject : subject.slice(0, slash)) as ServerId); // any string may be looked up
  if (server === null || server.tenant !== tenant) return null;
  return slash === -1 ? server.name : server.name + subject.slice(slash);
}
