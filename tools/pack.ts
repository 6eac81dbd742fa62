import { cpSync, existsSync, globSync, renameSync, rmSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import type { OutputOptions } from "rolldown";
import { rolldown } from "rolldown";

/*
 * node tools/pack.ts: makes of the thousand compiled modules below dist/src the few files that a process loads, and puts the pages
 * beside them, which the compiler leaves alone. A node is ready a fifth sooner for it (docs/adr/0020). What agents embed
 * (dist/sdk, dist/contract, dist/worker) stays as it was compiled.
 */
const dist = join(import.meta.dirname, "../dist");
const compiled = join(dist, "compiled");
rmSync(compiled, { recursive: true, force: true });
renameSync(join(dist, "src"), compiled);

/**
 * A room is one file: whoever wants some of it loads it. So is a folder of it that has an index of its own. Only `app` and `cli` are parted by
 * who uses what, as a command that asks should not load a node.
 */
const rooms = {
  debugName: "a room",
  name: (id: string): string | null => {
    const [top = "", room = "", inner = ""] = relative(dist, id).split("/");
    if (top === "contract") return top;
    if (top !== "compiled" || room === "app" || room === "cli") return null;
    return existsSync(join(compiled, room, inner, "index.js")) ? `${room}-${inner}` : room;
  },
};

// Rooms form no circle (test/architecture), so their files form none either.
await pack("cli/main", { includeDependenciesRecursively: false, groups: [rooms] });
// A thread shares no file with the process: it would load with it what only that needs.
await pack("store/sqlite/writer", false);
await pack("store/sqlite/checkpointer", false);
rmSync(compiled, { recursive: true });

cpSync(join(import.meta.dirname, "../src/edge/pages"), join(dist, "src/edge/pages"), {
  recursive: true,
  filter: (path) => !path.endsWith("tsconfig.json"),
});

const files = globSync(join(dist, "src/**/*.js"));
console.log(`${files.length} files: ${files.map((file) => relative(dist, file)).join(", ")}`);

type CodeSplitting = Extract<OutputOptions["codeSplitting"], object>;

/** What starts as a process or a thread, and what it loads. */
async function pack(entry: string, codeSplitting: false | CodeSplitting): Promise<void> {
  const bundle = await rolldown({
    input: { [`src/${entry}`]: join(compiled, `${entry}.js`) },
    platform: "node",
    // Nobody imports what starts.
    preserveEntrySignatures: false,
    // Packages stay packages: they are installed, audited and mended as such.
    external: (id) => !id.startsWith(".") && !isAbsolute(id),
    // No module of ours does anything but declare: who imports a room for one noun of it need not load the others.
    treeshake: { moduleSideEffects: false },
    onLog: (level, log) => {
      if (level !== "debug" && level !== "info") throw new Error(`${log.code ?? level}: ${log.message}`);
    },
  });
  const { output } = await bundle.write({
    dir: dist,
    format: "esm",
    // Two folders below the root, as `ownFile` of src/base wants it.
    chunkFileNames: "src/parts/[name]-[hash].js",
    hashCharacters: "hex",
    // Names stand in log records and in what people report.
    keepNames: true,
    codeSplitting,
  });
  await bundle.close();
  for (const part of output)
    if (part.type === "chunk" && part.code.includes("ownFile(") && !/^src\/[^/]+\/[^/]+$/.test(part.fileName))
      throw new Error(`${part.fileName} uses ownFile, which finds nothing from there`);
}
