import { measureIdle } from "./idle-node.ts";

/** What a node without servers takes until it listens, and its memory three seconds later. */
console.table({ built: await measureIdle("built"), source: await measureIdle("source") });
