import { explain, systemClock, systemRandom } from "../../base/index.ts";
import { adminActions } from "../../admin/index.ts";
import type { CatalogInput } from "../../policy/index.ts";
import { Registry } from "../../registry/index.ts";
import type { ReadStore } from "../../store/index.ts";
import type { Config } from "../config/config.ts";
import { allTables } from "../data/all-tables.ts";
import { openReadStore } from "../data/open-store.ts";
import { readOnlyStore } from "./read-only-store.ts";

/** What policies are checked against without asking a node. */
export interface OfflineCatalog {
  readonly catalog: CatalogInput;
  /** Why the tools are not known, so that nothing about arguments is checked; null = they are known. */
  readonly withoutTools: string | null;
}

/** Servers and tools as the data directory has them, also while a node runs on it. Changes nothing. */
export async function offlineCatalog(config: Config): Promise<OfflineCatalog> {
  const { tenant } = config;
  const bare: CatalogInput = {
    tenants: [tenant],
    roles: [],
    adminActions,
    servers: config.servers.map(({ name }) => ({ id: name, name })),
    tools: [],
  };
  let store: ReadStore;
  try {
    store = await openReadStore(config.data, allTables);
  } catch (thrown) {
    return { catalog: bare, withoutTools: explain(thrown) };
  }
  try {
    const registry = new Registry({ store: readOnlyStore(store), clock: systemClock, random: systemRandom });
    await registry.start();
    const catalog: CatalogInput = {
      ...bare,
      servers: registry.serversOf(tenant).map(({ id, name }) => ({ id, name })),
      tools: registry.toolsOf(tenant).map((tool) => ({
        id: tool.id,
        serverId: tool.server.id,
        inputSchema: tool.definition.inputSchema,
        class: tool.class.kind,
      })),
    };
    return { catalog, withoutTools: null };
  } finally {
    store.close();
  }
}
