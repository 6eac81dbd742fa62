/** This is the source; otherwise it is what was compiled, or packed, of it. */
const isSource = import.meta.url.endsWith(".ts");

/**
 * Where a file of ours stands that is read or started, given from the root and with the ending it has in the source
 * (`src/store/sqlite/writer.ts`). From source, compiled and packed this module stands two folders below the root of all the others;
 * only threads, which are packed into a file each, cannot ask here, and tools/pack.ts fails where one does.
 */
export function ownFile(path: string): URL {
  const name = isSource ? path : path.replace(/\.ts$/, ".js");
  return new URL(`../../${name}`, import.meta.url);
}
