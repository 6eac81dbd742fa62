import { setFlagsFromString } from "node:v8";

/**
 * How the JavaScript engine treats a process that loads its program and starts a node: as one that runs much code once. All of it is
 * process-wide, and harmless when done twice. What each line gives was measured: docs/internals/performance.md.
 *
 * The young generation stays small: loading would make it grow to tens of MB, which an idle node never gives back.
 *
 * Of the policy engine only what decisions need is optimised, after ten times the engine's own measure of work: reading and checking
 * the first policies is enough work for much of the rest. It takes over the measure when it is loaded, and keeps it.
 */
export function beginStarting(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--wasm-tiering-budget=130000000");
}

/** The process does what it was started for: from now on everything is as the engine has it by default. */
export function endStarting(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
  setFlagsFromString("--wasm-tiering-budget=13000000");
}
