/** Writes docs/reference/cli.md: run it after changing a command. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "../src/app/command-line.ts";
import { systemClock } from "../src/base/index.ts";
import { buildProgram, referenceText } from "../src/cli/index.ts";

const page = join(import.meta.dirname, "../docs/reference/cli.md");
const { stdin, stdout, stderr } = process;
const program = buildProgram({ environment: readEnvironment(), clock: systemClock, stdin, stdout, stderr });
mkdirSync(join(page, ".."), { recursive: true });
writeFileSync(page, referenceText(program));
console.log(`wrote ${page}`);
