import { readFile, stat } from "node:fs/promises";
import type { Environment } from "../environment.ts";
import { importBytesMax, parseForeign } from "./parse.ts";
import type { ImportPlace } from "./places.ts";
import { importPlaces } from "./places.ts";
import type { Imported } from "./servers.ts";
import { importedOf, nothingTaken, takeServers } from "./servers.ts";

/** A file that was there and was read; `servers` counts what came from it. */
interface ImportedFile extends Omit<ImportPlace, "client"> {
  readonly client: ImportPlace["client"] | null; // null = given by path
  readonly servers: number;
}

export interface Import extends Imported {
  readonly files: readonly ImportedFile[];
}

/**
 * Reads MCP servers out of the files of the usual clients, or out of the given ones. A given file that cannot be read is said in
 * `notes`; one of the usual places that is missing is not worth a word. Leaves out the entry that leads to the node at `ownUrl`.
 * Reads files, changes nothing.
 */
export async function importServers(
  environment: Environment,
  paths: readonly string[] | null,
  ownUrl: string | null = null,
): Promise<Import> {
  const places: readonly (Omit<ImportPlace, "client"> & { client: ImportPlace["client"] | null })[] =
    paths === null ? importPlaces(environment) : paths.map((path) => ({ client: null, path }));
  const taken = nothingTaken();
  const files: ImportedFile[] = [];
  for (const { client, path } of places) {
    const read = await readText(path);
    if (read.kind === "missing") {
      if (paths !== null) taken.notes.push(`${path}: There is no such file.`);
      continue;
    }
    if (read.kind === "unreadable") {
      taken.notes.push(`${path}: Skipped, ${read.reason}.`);
      continue;
    }
    const parsed = parseForeign(read.text, environment.workingDirectory);
    if (!parsed.ok) {
      taken.notes.push(`${path}: Skipped, ${parsed.refusal.detail}.`);
      continue;
    }
    const before = taken.servers.size;
    takeServers(taken, parsed.value, path, environment, ownUrl);
    files.push({ client, path, servers: taken.servers.size - before });
  }
  return { ...importedOf(taken), files };
}

type Read =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly reason: string };

async function readText(path: string): Promise<Read> {
  try {
    const { size } = await stat(path);
    if (size > importBytesMax) {
      return { kind: "unreadable", reason: `the file is ${size} bytes; ${importBytesMax} are read` };
    }
    return { kind: "text", text: await readFile(path, "utf8") };
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "an unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "missing" };
    return { kind: "unreadable", reason: `it cannot be read (${code})` };
  }
}
