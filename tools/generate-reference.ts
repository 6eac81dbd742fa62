/** Writes what docs/reference has of the configuration: run it after changing src/app/config/schema.ts. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referenceText, schemaText } from "../src/app/config/reference.ts";

const root = join(import.meta.dirname, "..");
const directory = join(root, "docs/reference");
const schema = join(directory, "signalbox.schema.json");
const page = join(directory, "configuration.md");
mkdirSync(directory, { recursive: true });
writeFileSync(schema, schemaText());
writeFileSync(page, referenceText());
// `npm run check` wants every JSON file in the formatter's shape.
execFileSync(process.execPath, [join(root, "node_modules/oxfmt/bin/oxfmt"), schema], { stdio: "inherit" });
console.log(`wrote ${schema} and ${page}`);
