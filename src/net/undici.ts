import { createRequire } from "node:module";
import type * as undici from "undici";

/**
 * The two parts of undici in use, loaded with the first connection: a node without servers needs neither. Its index also loads fetch,
 * WebSocket, caches and mocks, and replaces the dispatcher of the process's own fetch. The version is pinned, so its files are where they were.
 */
const require = createRequire(import.meta.url);

export const newPool = (...given: ConstructorParameters<typeof undici.Pool>): undici.Pool => {
  const Pool = require("undici/lib/dispatcher/pool.js") as typeof undici.Pool;
  return new Pool(...given);
};

export const buildConnector: typeof undici.buildConnector = (options) => {
  const build = require("undici/lib/core/connect.js") as typeof undici.buildConnector;
  return build(options);
};
