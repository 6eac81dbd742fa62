import { cpSync } from "node:fs";
import { join } from "node:path";

/* node tools/copy-pages.ts: puts the pages, which the compiler leaves alone, beside the compiled code that serves them. */
const root = join(import.meta.dirname, "..");
cpSync(join(root, "src/edge/pages"), join(root, "dist/src/edge/pages"), {
  recursive: true,
  filter: (path) => !path.endsWith("tsconfig.json"),
});
