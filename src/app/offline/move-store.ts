import { copyFileSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { copyTables } from "../../backup/index.ts";
import type { Clock, Random } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import { verifyLedger } from "../../ledger/index.ts";
import {
  loadPostgres,
  openReadOnlySqlite,
  openSqliteFill,
  openSqliteStore,
  ownTables,
} from "../../store/index.ts";
import type { PostgresConnection, ReadStore, Store, StoreFill } from "../../store/index.ts";
import { keyFileName } from "../data/key-file.ts";
import { allTables } from "../data/all-tables.ts";
import { markMoved, refuseMoved } from "../data/moved-marker.ts";
import { rememberedFileName } from "../data/remembered-checkpoints.ts";
import { stageDirectory } from "./staged-directory.ts";

/** Where a store can be moved from and to. */
interface StorePlace {
  /** As it is known from anywhere on this machine; without who signs in there. */
  readonly name: string;
  /** Takes it: rejects with `store-in-use` while a node works on it. Throws `not-found` when nothing is there. */
  open(): Store;
  /** Rejects with `store-in-use` when something is there. */
  fill(): Promise<Filling>;
  /** Nobody works on it from here on. */
  retire(to: string): void;
}

/** A place that is being filled: it counts from `settle` on. */
interface Filling {
  readonly rows: StoreFill;
  /** Once `rows` is finished. */
  read(): Promise<ReadStore>;
  settle(from: string): void;
  abandon(): void;
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
    const target = await to.fill();
    try {
      const snapshot = await store.snapshot();
      let counts: ReadonlyMap<string, number>;
      try {
        counts = await copyTables(snapshot, target.rows, [...ownTables, ...allTables], onRows);
      } finally {
        snapshot.close();
      }
      await target.rows.finish();
      const proven = await provenIn(await target.read());
      target.settle(order.from);
      from.retire(to.name);
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

/** By its address: a data directory, or the URL of a database, which a store can be moved to. */
function placeOf(address: string, clock: Clock, random: Random): StorePlace {
  if (/^postgres(ql)?:\/\//.test(address)) return databasePlace({ url: address });
  if (/^[a-z]+:\/\//.test(address))
    throw new Fault("config-invalid", `${address.replace(/:.*/s, "")} is no store of this version`);
  return directoryPlace(resolve(address), clock, random);
}

function databasePlace(connection: PostgresConnection): StorePlace {
  const notFrom = (): never => {
    throw new Fault("config-invalid", "a store is not moved out of PostgreSQL by this version");
  };
  return {
    name: (connection.url ?? "").replace(/\/\/[^@/]*@/, "//"),
    open: notFrom,
    retire: notFrom,
    fill: async () => {
      const { openPostgresFill, openReadOnlyPostgres } = await loadPostgres();
      return {
        rows: await openPostgresFill(connection, allTables),
        read: () => openReadOnlyPostgres(connection, allTables),
        // The data directory stays the node's, with its key and what it remembers.
        settle: () => undefined,
        abandon: () => undefined,
      };
    },
  };
}

function directoryPlace(directory: string, clock: Clock, random: Random): StorePlace {
  return {
    name: directory,
    open: () => {
      openReadOnlySqlite(directory, allTables).close(); // opening to write would make what is not there
      refuseMoved(directory);
      return openSqliteStore({ directory, tables: allTables, clock });
    },
    fill: async () => {
      const staged = stageDirectory(directory, random);
      return {
        rows: openSqliteFill(staged.path, allTables),
        read: async () => openReadOnlySqlite(staged.path, allTables),
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
