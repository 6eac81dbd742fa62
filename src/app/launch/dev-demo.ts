import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault, makeDirectories } from "../../base/index.ts";
import type { ServerInput, ToolClass } from "../../registry/index.ts";

const read: ToolClass = { kind: "read" };
const readOnly = (names: readonly string[]): Readonly<Record<string, ToolClass>> =>
  Object.fromEntries(names.map((name) => [name, read]));

/**
 * Three reference servers of the MCP project, for a first look: files in a scratch folder, a memory, and one that shows every
 * feature. They are development dependencies of this repository and are not part of the published package.
 */
export function demoServers(dataDirectory: string): readonly ServerInput[] {
  const scratch = join(dataDirectory, "demo");
  const folder = join(scratch, "files");
  makeDirectories(folder, 0o700);
  const note = join(folder, "welcome.txt");
  if (!existsSync(note)) writeFileSync(note, welcome);
  return [
    {
      name: "files",
      transport: stdio(
        () => import.meta.resolve("@modelcontextprotocol/server-filesystem/package.json"),
        [folder],
      ),
      toolClasses: readOnly([
        "read_file",
        "read_text_file",
        "read_media_file",
        "read_multiple_files",
        "list_directory",
        "list_directory_with_sizes",
        "directory_tree",
        "search_files",
        "get_file_info",
        "list_allowed_directories",
      ]),
    },
    {
      name: "memory",
      transport: stdio(() => import.meta.resolve("@modelcontextprotocol/server-memory/package.json"), [], {
        MEMORY_FILE_PATH: join(scratch, "memory.jsonl"),
      }),
      toolClasses: readOnly(["read_graph", "search_nodes", "open_nodes"]),
    },
    {
      name: "everything",
      transport: stdio(
        () => import.meta.resolve("@modelcontextprotocol/server-everything/package.json"),
        ["stdio"],
      ),
      toolClasses: readOnly(["echo", "get-sum", "get-tiny-image", "get-structured-content"]),
    },
  ];
}

const welcome =
  "This file is read through Signalbox: the call is on record, and its receipt can be verified offline.\n";

function stdio(
  manifest: () => string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ServerInput["transport"] {
  return {
    kind: "stdio",
    command: process.execPath,
    args: [programOf(manifest), ...args],
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, { literal: value }])),
    cwd: null,
  };
}

/** The package's own command, started as a file: what `npx` would run, without npx. `manifest` throws where it is not installed. */
function programOf(manifest: () => string): string {
  try {
    const file = fileURLToPath(manifest());
    const { bin } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly bin: Readonly<Record<string, string>>;
    };
    const [program] = Object.values(bin);
    if (program !== undefined) return join(dirname(file), program);
  } catch (cause) {
    throw new Fault("config-invalid", notInstalled, { cause });
  }
  throw new Fault("config-invalid", notInstalled);
}

const notInstalled =
  "the demo servers are not installed: --demo works in a checkout of the repository, after npm ci";
