/** Writes docs/reference/openapi.json from the table of routes: run it after changing a route in src/admin. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiDescription } from "../src/admin/index.ts";

const root = join(import.meta.dirname, "..");
const directory = join(root, "docs/reference");
const file = join(directory, "openapi.json");
mkdirSync(directory, { recursive: true });
writeFileSync(file, JSON.stringify(apiDescription, null, 2));
// `npm run check` wants every JSON file in the formatter's shape.
execFileSync(process.execPath, [join(root, "node_modules/oxfmt/bin/oxfmt"), file], { stdio: "inherit" });
console.log(`wrote ${file}`);
