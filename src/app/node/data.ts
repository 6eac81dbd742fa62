import { Doubt } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import { allTables } from "../data/all-tables.ts";
import { refuseMoved } from "../data/moved-marker.ts";
import type { NodeIdentity } from "../data/node-lease.ts";
import { NodeLease, nodeLeaseMs } from "../data/node-lease.ts";
import { openStore } from "../data/open-store.ts";
import { compareRemembered } from "../data/recovery.ts";
import { RememberedCheckpoints } from "../data/remembered-checkpoints.ts";
import { Attendance } from "../data/roll-call.ts";
import type { Site } from "./site.ts";

/** The store, and this process's place in it: from here on whatever it writes is guarded by its lease. */
export interface Data {
  readonly store: Store;
  /** Others may work on the same data. */
  readonly isShared: boolean;
  readonly lease: NodeLease;
  readonly node: NodeIdentity;
  /** Whether the database may have lost something: effects wait while it is on. */
  readonly doubt: Doubt;
  readonly remembered: RememberedCheckpoints;
  readonly attendance: Attendance;
  /** Called when the database has become another: restored, or a standby promoted. */
  onAnother(listener: () => void): void;
}

export async function openData(site: Site): Promise<Data> {
  const { config, clock, random, log, onFatal } = site.options;
  const { onTrouble, shutdown } = site;
  const isShared = config.data.postgres !== undefined;
  if (!isShared) refuseMoved(config.data.directory);
  const doubt = new Doubt(clock);
  const listeners: (() => void)[] = [];
  const { store, rollCall } = await openStore({
    data: config.data,
    tables: allTables,
    clock,
    onEpoch: (change) => {
      log.error("the database has become another: restored, or a standby promoted", { ...change });
      doubt.begin();
      for (const listener of listeners) listener();
      if (!change.isIntact) onFatal("the database has lost what it had confirmed to this node");
    },
  });
  await site.open("the store", store);
  const remembered = new RememberedCheckpoints({ directory: config.data.directory, clock, onTrouble });
  const silentMs = nodeLeaseMs;
  const attendance = new Attendance({ clock, store, rollCall, doubt, silentMs, remembered, log, onTrouble });
  await attendance.decided();
  await compareRemembered(store, remembered, { clock, random, log });
  const lease = new NodeLease({
    store,
    clock,
    random,
    name: config.node.name,
    isShared,
    onLost: () => onFatal("another process took over this node's work"),
  });
  const node = await lease.start();
  shutdown.add("giving back the lease", () => lease.stop());
  return {
    store,
    isShared,
    lease,
    node,
    doubt,
    remembered,
    attendance,
    onAnother: (listener) => listeners.push(listener),
  };
}
