import { resolve } from "node:path";
import type { PostgresConnection } from "../../store/index.ts";

/** The database as the file describes it; what stands in files of its own is read when the store is opened. */
export interface PostgresSettings extends Omit<PostgresConnection, "tls"> {
  /** Absolute. */
  readonly passwordFile?: string;
  readonly tls?: {
    readonly mode?: NonNullable<PostgresConnection["tls"]>["mode"];
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  /** Whether a password stands in the configuration file as it is. */
  readonly hasLiteralPassword: boolean;
}

export type RawPostgres = Omit<PostgresSettings, "hasLiteralPassword">;

const at = "/data/postgres";

export function postgresSettings(
  raw: RawPostgres,
  fromEnvironment: ReadonlySet<string>,
  directory: string,
): PostgresSettings {
  const file = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : resolve(directory, name);
  const { tls, passwordFile } = raw;
  const literalUrl = raw.url !== undefined && !fromEnvironment.has(`${at}/url`) && hasPassword(raw.url);
  const literal = raw.password !== undefined && !fromEnvironment.has(`${at}/password`);
  return {
    ...raw,
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(directory, passwordFile) }),
    ...(tls === undefined
      ? {}
      : {
          tls: defined({
            mode: tls.mode,
            caFile: file(tls.caFile),
            certFile: file(tls.certFile),
            keyFile: file(tls.keyFile),
          }),
        }),
    hasLiteralPassword: literalUrl || literal,
  };
}

/** What no schema can say. Never quotes a value. */
export function postgresProblems(
  raw: RawPostgres,
): readonly { readonly pointer: string; readonly message: string }[] {
  const problems: { pointer: string; message: string }[] = [];
  const { url, host, password, passwordFile, tls } = raw;
  if (url === undefined && host === undefined)
    problems.push({ pointer: at, message: "names no url and no host" });
  if (url !== undefined && !isAddress(url)) {
    const message = "the value (not shown) is not of the form postgres://user:password@host:port/database";
    problems.push({ pointer: `${at}/url`, message });
  }
  if (password !== undefined && passwordFile !== undefined) {
    problems.push({ pointer: `${at}/passwordFile`, message: "there is a password already" });
  }
  if ((tls?.certFile === undefined) !== (tls?.keyFile === undefined)) {
    problems.push({ pointer: `${at}/tls`, message: "certFile and keyFile go together" });
  }
  return problems;
}

function isAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, search, hash } = new URL(url);
  return /^postgres(ql)?:$/.test(protocol) && search === "" && hash === "";
}

const hasPassword = (url: string): boolean => URL.canParse(url) && new URL(url).password !== "";

/** Without the members that are undefined. */
function defined<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
