import { execFileSync } from "node:child_process";
import { join } from "node:path";

const bench = import.meta.dirname;
const compiler = join(bench, "../node_modules/typescript/bin/tsc");

let isBuilt = false;

/**
 * Where a program of the bench (`runs/bank.ts`) stands compiled, with all it loads. Users have compiled programs too, and one from source
 * holds what stripping its types took, some 40 MB. Everything is compiled at the first question, into `bench/dist`: beside the package,
 * never in it.
 */
export function built(program: string): string {
  if (!isBuilt) execFileSync(process.execPath, [compiler, "-p", bench], { stdio: "inherit" });
  isBuilt = true;
  return join(bench, "dist/bench", program.replace(/\.ts$/, ".js"));
}
