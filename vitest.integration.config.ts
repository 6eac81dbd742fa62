import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// Some thousand programs are started, most of them nodes of ours. Each would take the types out of the same files and compile them.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules", ".cache", "compiled");

/** What opens files, sockets and processes: `*.int.ts` beside the code, and whole nodes under test/. */
export default defineConfig({
  test: {
    include: ["src/**/*.int.ts", "sdk/**/*.int.ts", "test/**/*.int.ts"],
    pool: "forks",
    // Stores start threads, each of which has Node take the types out of its files, by a module of WebAssembly that all threads share. Two that
    // replace a wrapper of its calls at once crash the process, now and then (V8, Runtime_TierUpWasmToJSWrapper). What is built has no types.
    execArgv: ["--wasm-wrapper-tiering-budget=1000000000"],
    // Most of them wait: for leases, for processes, for the disk. On two cores one at a time would take twice as long.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Longer than the patience of one wait, which says better what did not come (test/fixtures/until.ts).
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
