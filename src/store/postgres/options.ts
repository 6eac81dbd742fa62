import type pg from "pg";
import { isIP } from "node:net";
import { Fault } from "../../base/index.ts";

/** How the database is reached. What is left out of it comes from `url`; what stands in both, from here. */
export interface PostgresConnection {
  /** postgres://user:password@host:port/database */
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  /** Left out: `verify-full`, except on loopback, where it is `off`. */
  readonly tls?: PostgresTls;
  /** Where the tables are; made when it is missing. */
  readonly schema?: string;
  /**
   * "transaction": between us and the database is a pooler that lends a connection for one transaction (PgBouncer). Then nothing
   * is kept in a connection: no named statements, no LISTEN.
   */
  readonly pooler?: "none" | "transaction";
  /** Connections for reading; one more writes, and one more listens. */
  readonly readConnections?: number;
}

export interface PostgresTls {
  /** `verify-full`: the certificate must be good and name this host. `require`: encrypted, whoever answers. */
  readonly mode: "verify-full" | "require" | "off";
  /** PEM; left out: the authorities this system trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export const schemaDefault = "signalbox";
/** Four readers keep two cores of a database busy; a read takes about 0.1 ms there. */
export const readConnectionsDefault = 4;
/** Longer than any failover proxy takes to refuse; shorter than a lease. */
const connectMs = 3_000;
/** A statement that takes longer has met a lock or a disk that does not answer. Commits are exempt: a standby may be slow. */
export const statementMs = 10_000;
/** When the other end says nothing at all for this long, the connection counts as lost. */
const silenceMs = 20_000;

/** What `pg` wants to hear. Throws Fault `store-unavailable` (never to be retried) when the address makes no sense. */
export function clientConfig(connection: PostgresConnection): pg.ClientConfig {
  const from = connection.url === undefined ? null : parsed(connection.url);
  const host = connection.host ?? (from === null ? "127.0.0.1" : withoutBrackets(from.hostname));
  const port = connection.port ?? Number(from?.port === "" ? 5432 : (from?.port ?? 5432));
  const database = connection.database ?? (from === null ? undefined : decoded(from.pathname.slice(1)));
  const user = connection.user ?? decoded(from?.username);
  const password = connection.password ?? decoded(from?.password);
  return {
    host,
    port,
    ...(database === undefined ? {} : { database }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ssl: tlsOf(connection.tls ?? { mode: isLoopback(host) ? "off" : "verify-full" }),
    connectionTimeoutMillis: connectMs,
    query_timeout: silenceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    application_name: "signalbox",
  };
}

export const hasSession = (connection: PostgresConnection): boolean => connection.pooler !== "transaction";

function parsed(url: string): URL {
  const made = URL.canParse(url) ? new URL(url) : null;
  if (made !== null && /^postgres(ql)?:$/.test(made.protocol) && made.search === "") return made;
  // The text of the URL may hold a password.
  throw new Fault(
    "store-unavailable",
    "the address of the database is not of the form postgres://user:password@host:port/database",
    { effect: "none", retry: "never" },
  );
}

const decoded = (part: string | undefined): string | undefined =>
  part === undefined || part === "" ? undefined : decodeURIComponent(part);

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

function tlsOf(tls: PostgresTls): pg.ClientConfig["ssl"] {
  if (tls.mode === "off") return false;
  const { ca, cert, key } = tls;
  return {
    rejectUnauthorized: tls.mode === "verify-full",
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
