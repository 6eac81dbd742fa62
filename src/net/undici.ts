import { createRequire } from "node:module";
import type * as undici from "undici";

/**
 * The two parts of undici in use. Its index also loads fetch, WebSocket, caches and mocks: 9 MB in a node that has none of them,
 * and it replaces the dispatcher of the process's own fetch. The version is pinned, so its files are where they were.
 */
const require = createRequire(import.meta.url);

export const Pool = require("undici/lib/dispatcher/pool.js") as typeof undici.Pool;
export const buildConnector = require("undici/lib/core/connect.js") as typeof undici.buildConnector;
