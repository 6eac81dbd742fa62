import { explain, systemClock, systemRandom } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import { adminActions } from "../admin/index.ts";
import type { CatalogInput } from "../policy/index.ts";
import { Registry } from "../registry/index.ts";
import type { ReadStore, Store } from "../store/index.ts";
import type { Config } from "./config.ts";
import { allTables } from "./node.ts";
import { openReadStore } from "./open-store.ts";

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
    const registry = new Registry({ store: readOnly(store), clock: systemClock, random: systemRandom });
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

/** A store that can be read and refuses everything else: the registry only reads when it starts. */
function readOnly(store: ReadStore): Store {
  const no = (): never => {
    throw new Fault("store-unavailable", "this data directory is only being read", { effect: "none" });
  };
  return {
    get: (table, key) => store.get(table, key),
    list: (table, options) => store.list(table, options),
    getLogged: (table, id) => store.getLogged(table, id),
    listById: (table, prefix, limit) => store.listById(table, prefix, limit),
    listLog: (table, options) => store.listLog(table, options),
    start: async () => {},
    stop: async () => {},
    commit: no,
    now: no,
    acquireLease: no,
    renewLease: no,
    releaseLease: no,
    bindToLease: no,
    putSignal: no,
    takeSignals: no,
    takeDueWakeUps: no,
    onHint: no,
    stats: no,
    snapshot: no,
  };
}
