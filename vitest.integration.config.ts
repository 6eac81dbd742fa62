import { defineConfig } from "vitest/config";

/** What opens files, sockets and processes: `*.int.ts` beside the code, and whole nodes under test/. */
export default defineConfig({
  test: {
    include: ["src/**/*.int.ts", "sdk/**/*.int.ts", "test/**/*.int.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
