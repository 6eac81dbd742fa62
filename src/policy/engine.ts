import { createRequire } from "node:module";
import type * as cedar from "@cedar-policy/cedar-wasm/nodejs";

type CedarModule = typeof cedar;

const require = createRequire(import.meta.url);
const name = "@cedar-policy/cedar-wasm/nodejs";

/** A stack overflow, and every other way wasm code ends in the middle. */
const traps = new Set(["RangeError", "RuntimeError"]);

/**
 * The wasm module, one instance per thread. A stack overflow or a trap inside leaves an instance unusable for good: every later
 * call fails. Text that could cause one is refused before, but should it happen all the same, a new instance takes over, and
 * what was preparsed in the old one is gone (`generation` tells).
 */
class Engine {
  module: CedarModule = require(name) as CedarModule;
  generation = 0;

  /** Runs `use` on the module; on a trap, replaces the instance and lets the error through. */
  run<T>(use: (module: CedarModule) => T): T {
    try {
      return use(this.module);
    } catch (thrown) {
      if (thrown instanceof Error && traps.has(thrown.name)) this.#replace();
      throw thrown;
    }
  }

  #replace(): void {
    delete require.cache[require.resolve(name)];
    this.module = require(name) as CedarModule;
    this.generation++;
  }
}

export const engine = new Engine();
