/**
 * edge/stdio: the face for clients that only launch a program. A bridge between lines of JSON-RPC and the HTTP face of a running
 * node, in both eras; it starts nothing and decides nothing. Its own door, because it needs nothing else of the edge: whoever
 * launches it should not wait for a house to load.
 *
 * Promises: one line in, at most one answer out, under the client's own id; a call that may have happened is never sent twice,
 * unless it names a step or key; a session goes on when its node is replaced by one with the same keys.
 * Bounds: those named in bridge.ts, lines.ts and http.ts. Errors: JSON-RPC errors with codes of contract/codes.ts.
 */
export { Bridge } from "./bridge.ts";
export type { BridgeOptions } from "./bridge.ts";
export type { Link } from "./link.ts";
export type { Target } from "./http.ts";
export { Lines } from "./lines.ts";
