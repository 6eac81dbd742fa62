import { dirname, join, resolve } from "node:path";
import { parseStrictJson } from "../../base/index.ts";
import type { Environment } from "../environment.ts";
import { readPrivateFile, writePrivateFile } from "../data/private-file.ts";

/** What a node leaves in its data directory, so that the command line of this machine and user just works. */
export interface ConnectionFile {
  readonly url: string;
  /** An API key of the tenant's admin. */
  readonly token: string;
  /** An API key of the admin of tenant `system`, for acts on the installation. */
  readonly systemToken: string;
}

export type FoundConnection =
  | { readonly kind: "found"; readonly file: string; readonly connection: ConnectionFile }
  | { readonly kind: "none" }
  | { readonly kind: "unsafe"; readonly file: string; readonly why: string };

const fileName = "cli.json";
const agentFileName = "dev-agent.key";
/** A key has about 60. */
const keyCharactersMax = 1_024;
/** Three short texts. */
const fileCharactersMax = 16_384;
/** Nobody's folders are nested deeper. */
const foldersUpMax = 64;

export const connectionFileIn = (dataDirectory: string): string => join(dataDirectory, fileName);

/** Where the key of the agent "dev" is kept; see dev-keys.ts. */
export const agentKeyFileIn = (dataDirectory: string): string => join(dataDirectory, agentFileName);

/** null = there is none that only its owner could have read. */
export function readAgentKey(dataDirectory: string): string | null {
  const read = readPrivateFile(agentKeyFileIn(dataDirectory), keyCharactersMax);
  return read.kind === "found" ? read.text.trim() : null;
}

export function writeConnectionFile(dataDirectory: string, connection: ConnectionFile): void {
  writePrivateFile(connectionFileIn(dataDirectory), `${JSON.stringify(connection, null, 2)}\n`);
}

export function readConnectionFile(dataDirectory: string): FoundConnection {
  const file = connectionFileIn(dataDirectory);
  const read = readPrivateFile(file, fileCharactersMax);
  switch (read.kind) {
    case "none":
      return read;
    case "unsafe":
      return { kind: "unsafe", file, why: read.why };
    case "found": {
      const connection = connectionOf(read.text);
      return connection === null
        ? { kind: "unsafe", file, why: "it is not what a node writes" }
        : { kind: "found", file, connection };
    }
  }
}

/** In the given data directory, or in the nearest `.signalbox` from the working directory upwards. */
export function findConnectionFile(environment: Environment, dataDirectory: string | null): FoundConnection {
  if (dataDirectory !== null) return readConnectionFile(resolve(environment.workingDirectory, dataDirectory));
  let folder = environment.workingDirectory;
  for (let up = 0; up < foldersUpMax; up++) {
    const found = readConnectionFile(join(folder, ".signalbox"));
    if (found.kind !== "none") return found;
    const parent = dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  return { kind: "none" };
}

function connectionOf(text: string): ConnectionFile | null {
  const parsed = parseStrictJson(text);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return null;
  const { url, token, systemToken } = parsed.value as Readonly<Record<string, unknown>>;
  if (typeof url !== "string" || typeof token !== "string" || typeof systemToken !== "string") return null;
  return { url, token, systemToken };
}
