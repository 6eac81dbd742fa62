/**
 * A second, small door: what a command needs that starts no node and opens no data. Behind `index.ts` stands the whole house, which
 * takes half a second to load; whoever asks a running node one question should not wait for that.
 */
export { findConnectionFile, readAgentKey } from "./launch/connection-file.ts";
export { parseBytes, parseDuration } from "./config/units.ts";
export { readEnvironment } from "./environment.ts";
export { looksLikeCredential } from "./import/credentials.ts";
export { beginStarting, endStarting } from "./launch/starting.ts";
export { version } from "./version.ts";
