import { readFileSync } from "node:fs";
import type { Clock } from "../../base/index.ts";
import { Fault, makeDirectories } from "../../base/index.ts";
import type {
  EpochChange,
  PostgresConnection,
  ReadStore,
  RollCall,
  Store,
  Table,
} from "../../store/index.ts";
import { loadPostgres, openReadOnlySqlite, openSqliteStore } from "../../store/index.ts";
import type { Config } from "../config/config.ts";
import type { PostgresSettings } from "../config/postgres.ts";

export interface OpenStoreOptions {
  readonly data: Config["data"];
  readonly tables: readonly Table[];
  readonly clock: Clock;
  /** The database has become another (a standby was promoted, it was restored). Never called for a store in the directory. */
  readonly onEpoch: (change: EpochChange) => void;
}

export interface OpenedStore {
  readonly store: Store;
  /** null = nobody else writes it. */
  readonly rollCall: RollCall | null;
}

/** The store that the configuration names; the data directory is there in any case. */
export async function openStore({ data, tables, clock, onEpoch }: OpenStoreOptions): Promise<OpenedStore> {
  const { directory, postgres } = data;
  if (postgres === undefined) return { store: openSqliteStore({ directory, tables, clock }), rollCall: null };
  makeDirectories(directory, 0o700);
  const { openPostgresStore } = await loadPostgres();
  const store = openPostgresStore({ connection: connectionOf(postgres), tables, clock, onEpoch });
  return { store, rollCall: store.rollCall };
}

/** Reads without becoming a node, also beside running ones. */
export async function openReadStore(data: Config["data"], tables: readonly Table[]): Promise<ReadStore> {
  const { directory, postgres } = data;
  if (postgres === undefined) return openReadOnlySqlite(directory, tables);
  const { openReadOnlyPostgres } = await loadPostgres();
  return openReadOnlyPostgres(connectionOf(postgres), tables);
}

/** Reads the files that the settings name. Throws Fault `config-invalid` when one cannot be read. */
export function connectionOf(settings: PostgresSettings): PostgresConnection {
  const { passwordFile, hasLiteralPassword: _, tls, ...plain } = settings;
  const { mode, caFile, certFile, keyFile } = tls ?? {};
  const isProtected = mode !== undefined || caFile !== undefined || certFile !== undefined;
  return {
    ...plain,
    ...(passwordFile === undefined
      ? {}
      : { password: read("passwordFile", passwordFile).replace(/\r?\n$/, "") }),
    ...(isProtected
      ? {
          tls: {
            mode: mode ?? "verify-full",
            ...(caFile === undefined ? {} : { ca: read("tls.caFile", caFile) }),
            ...(certFile === undefined ? {} : { cert: read("tls.certFile", certFile) }),
            ...(keyFile === undefined ? {} : { key: read("tls.keyFile", keyFile) }),
          },
        }
      : {}),
  };
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new Fault("config-invalid", `data.postgres.${setting}: ${file} cannot be read`, { cause: thrown });
  }
}
