import type { Catalog } from "./catalog.ts";
import type { CedarValueJson } from "./cedar.ts";
import type { EntityName } from "./reads.ts";
import type { PolicyResource } from "./request.ts";
import type { Placed } from "./scope.ts";

/** A resource with what it is in and what policies may read of it. */
export interface PlacedResource extends Placed {
  readonly attributes: Record<string, CedarValueJson>;
  /** null = it is on no server. */
  readonly server: { readonly id: string; readonly attributes: Record<string, CedarValueJson> } | null;
}

/** `tenant` is the caller's: nothing of another tenant is ever asked about. */
export function placeResource(resource: PolicyResource, tenant: string, catalog: Catalog): PlacedResource {
  const self: EntityName = { type: resource.type, id: resource.id };
  const inTenant: EntityName = { type: "Tenant", id: tenant };
  switch (resource.type) {
    case "Tenant":
      return { self, ancestors: [], attributes: {}, server: null };
    case "Server":
      return {
        self,
        ancestors: [inTenant],
        attributes: serverAttributes(resource.id, catalog),
        server: null,
      };
    case "Tool":
    case "Resource":
    case "Prompt": {
      const slash = resource.id.indexOf("/");
      const server = slash === -1 ? "" : resource.id.slice(0, slash);
      const attributes: Record<string, CedarValueJson> = {
        name: resource.id.slice(slash + 1),
        server: { __entity: { type: "Server", id: server } },
      };
      if (resource.type === "Tool") attributes["class"] = catalog.tools.get(resource.id)?.class ?? "effect";
      return {
        self,
        ancestors: [{ type: "Server", id: server }, inTenant],
        attributes,
        server: { id: server, attributes: serverAttributes(server, catalog) },
      };
    }
  }
}

const serverAttributes = (id: string, catalog: Catalog): Record<string, CedarValueJson> => ({
  name: catalog.serverNames.get(id) ?? id,
});
