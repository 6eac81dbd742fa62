import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and those above it, like mkdirSync with `recursive`; one that is there is left as it is. Throws what the system says, also below
 * /proc and the like, where a directory cannot be made although the one above it is there: Node's own tries that for ever.
 */
export function makeDirectories(directory: string, mode = 0o777): void {
  const first = tryToMake(directory, mode);
  if (first === null) return;
  const above = dirname(directory);
  if (codeOf(first) !== "ENOENT" || above === directory) throw first;
  makeDirectories(above, mode);
  const second = tryToMake(directory, mode);
  if (second !== null) throw second;
}

/** Null = it is there now. */
function tryToMake(directory: string, mode: number): unknown {
  try {
    mkdirSync(directory, { mode });
    return null;
  } catch (thrown) {
    return isDirectory(directory) ? null : thrown; // EEXIST, but the root is EISDIR or EPERM to some systems
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

const codeOf = (thrown: unknown): unknown => (thrown as NodeJS.ErrnoException).code;
