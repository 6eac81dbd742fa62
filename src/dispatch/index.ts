/**
 * dispatch: orders waiting work. Here it bounds concurrency: per node, principal and server. Owners
 * of what waits take turns under each; one owner's own is served as it came.
 *
 * Bounds: waiters over all keys, and of one owner. Refusals: `queue-full`, `too-many-calls`, `cancelled`. Never runs the work itself.
 */
export { Gate } from "./gate.ts";
export type { Bound, Bounds, Leave } from "./gate.ts";
