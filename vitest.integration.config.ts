import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** What opens files, sockets and processes: `*.int.ts` beside the code, and whole nodes under test/. */
export default defineConfig({
  test: {
    include: ["src/**/*.int.ts", "sdk/**/*.int.ts", "test/**/*.int.ts"],
    pool: "forks",
    // Most of them wait: for leases, for processes, for the disk. On two cores one at a time would take twice as long.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
