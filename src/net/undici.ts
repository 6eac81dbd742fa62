import { createRequire } from "node:module";
import type * as undici from "undici";

/**
 * The parts of undici in use, each loaded when it is first needed: a node without servers needs none, and one whose servers' answers are plain
 * needs no parser. Its index also loads fetch, WebSocket, caches and mocks, and replaces the dispatcher of the process's own fetch. The version
 * is pinned, so its files are where they were.
 */
const require = createRequire(import.meta.url);

export const newPool = (...given: ConstructorParameters<typeof undici.Pool>): undici.Pool => {
  const Pool = require("undici/lib/dispatcher/pool.js") as typeof undici.Pool;
  return new Pool(...given);
};

export const newClient = (...given: ConstructorParameters<typeof undici.Client>): undici.Client => {
  const Client = require("undici/lib/dispatcher/client.js") as typeof undici.Client;
  return new Client(...given);
};

export const buildConnector: typeof undici.buildConnector = (options) => {
  const build = require("undici/lib/core/connect.js") as typeof undici.buildConnector;
  return build(options);
};
