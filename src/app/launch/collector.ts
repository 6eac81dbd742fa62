import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * How the engine's collector behaves. All of it is process-wide, hence here, and harmless when done twice. What each line gives was
 * measured: docs/internals/performance.md.
 */

/**
 * For a process that carries calls.
 *
 * No object is allocated old on a guess ("allocation site pretenuring"). Under load most calls outlive one young collection while
 * they start up; the engine would then place some objects of every later call directly among the old ones, and whatever those point
 * to is kept, copied and grown old with them.
 *
 * A young collection stays on its own thread: what survives one is a few hundred kB, less work than waking helpers for it, and on a
 * small machine those helpers take the cores of the store's writer and of everybody else.
 */
export function keepYoungObjectsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
  setFlagsFromString("--no-parallel-scavenge");
}

/**
 * Gives back what starting left behind, about 10 MB. Stops everything for 50 to 150 ms, so only for a moment when nobody waits.
 * The engine's own collection comes with the first load, which an idle node never has.
 */
export function collectAll(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as (options: object) => void;
  gc({ type: "major", execution: "sync", flavor: "last-resort" });
  setFlagsFromString("--no-expose-gc");
}
