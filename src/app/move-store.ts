import { copyFileSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { copyTables } from "../backup/index.ts";
import type { Clock, Random } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import { verifyLedger } from "../ledger/index.ts";
import { openReadOnlySqlite, openSqliteFill, openSqliteStore, ownTables } from "../store/index.ts";
import type { ReadStore, Store, StoreFill } from "../store/index.ts";
import { keyFileName } from "./key-file.ts";
import { allTables } from "./node.ts";
import { markMoved, refuseMoved } from "./moved-marker.ts";
import { rememberedFileName } from "./remembered-checkpoints.ts";
import { stageDirectory } from "./staged-directory.ts";

/** Where a store can be moved from and to. */
interface StorePlace {
  /** Takes it: rejects with `store-in-use` while a node works on it. Throws `not-found` when nothing is there. */
  open(): Store;
  /** Throws `store-in-use` when something is there. */
  fill(): {
    readonly rows: StoreFill;
    readonly read: () => ReadStore;
    settle(from: string): void;
    abandon(): void;
  };
  /** Nobody works on it from here on. */
  retire(to: string): void;
}

export interface Moved {
  readonly rows: number;
  readonly proven: number;
}

/** Copies a store to an empty place, proves it there, and retires the old one. Nothing is changed before everything is in its new place. */
export async function moveStore(order: {
  readonly from: string;
  readonly to: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRows?: (rows: number) => void;
}): Promise<Moved> {
  const { clock, random, onRows } = order;
  const from = placeOf(order.from, clock, random);
  const to = placeOf(order.to, clock, random);
  const store = from.open();
  await store.start();
  try {
    const target = to.fill();
    try {
      const snapshot = await store.snapshot();
      let counts: ReadonlyMap<string, number>;
      try {
        counts = await copyTables(snapshot, target.rows, [...ownTables, ...allTables], onRows);
      } finally {
        snapshot.close();
      }
      await target.rows.finish();
      const proven = await provenIn(target.read());
      target.settle(order.from);
      from.retire(order.to);
      return { rows: [...counts.values()].reduce((sum, count) => sum + count, 0), proven };
    } finally {
      await target.rows.abandon();
      target.abandon();
    }
  } finally {
    await store.stop();
  }
}

async function provenIn(read: ReadStore): Promise<number> {
  try {
    const report = await verifyLedger(read);
    const broken = report.tenants.find((tenant) => tenant.broken !== null);
    if (broken !== undefined)
      throw new Fault(
        "internal",
        `the ledger of tenant ${broken.tenant} does not hold in its new place: ${broken.broken?.detail ?? ""}; nothing was moved`,
      );
    return report.tenants.reduce((sum, { proven }) => sum + proven, 0);
  } finally {
    read.close();
  }
}

/** By its address: a data directory. A store of another kind gets its line here. */
function placeOf(address: string, clock: Clock, random: Random): StorePlace {
  if (/^[a-z]+:\/\//.test(address))
    throw new Fault(
      "config-invalid",
      `${address.replace(/:.*/s, "")} is no store of this version: name a data directory`,
    );
  return directoryPlace(resolve(address), clock, random);
}

function directoryPlace(directory: string, clock: Clock, random: Random): StorePlace {
  return {
    open: () => {
      openReadOnlySqlite(directory, allTables).close(); // opening to write would make what is not there
      refuseMoved(directory);
      return openSqliteStore({ directory, tables: allTables, clock });
    },
    fill: () => {
      const staged = stageDirectory(directory, random);
      return {
        rows: openSqliteFill(staged.path, allTables),
        read: () => openReadOnlySqlite(staged.path, allTables),
        settle: (from) => {
          // What belongs to the data and is no part of the store; connection and agent keys of `dev` are made anew.
          for (const name of [keyFileName, rememberedFileName])
            if (existsSync(join(from, name))) copyFileSync(join(from, name), join(staged.path, name));
          staged.settle();
        },
        abandon: () => staged.abandon(),
      };
    },
    retire: (to) => markMoved(directory, to),
  };
}
