import { Fault } from "../../base/index.ts";
import type { ReadStore, Store } from "../../store/index.ts";

/** A store that can be read and refuses everything else, for rooms that only read when they are asked what is there. */
export function readOnlyStore(store: ReadStore): Store {
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
