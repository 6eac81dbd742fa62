/**
 * dispatch: orders waiting work. Here it bounds concurrency: per node, principal and server, first come first served under each.
 *
 * Bounds: waiters over all keys. Refusals: `queue-full`, `too-many-calls`, `cancelled`. Never runs the work itself.
 */
export { Gate } from "./gate.ts";
export type { Bound, Leave } from "./gate.ts";
