import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** What is fast and pure: unit tests beside the code, and the tests that read the code. */
export default defineConfig({
  test: {
    include: [
      "src/**/*.test.ts",
      "contract/**/*.test.ts",
      "sdk/**/*.test.ts",
      "test/architecture/**/*.test.ts",
      "test/chaos/**/*.test.ts",
      "test/deploy/**/*.test.ts",
    ],
    pool: "forks",
    // Nothing here keeps state in a module, so files share a process; one for each costs as much again as all of the tests.
    isolate: false,
    // Nothing here waits for anything; by default one core would be left idle.
    maxWorkers: availableParallelism(),
    testTimeout: 20_000,
    expect: { poll: { timeout: 15_000 } },
  },
});
