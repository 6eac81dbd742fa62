import { globSync, readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Environment } from "../../app/index.ts";
import { usage } from "../exit.ts";

export interface PolicySource {
  readonly name: string;
  readonly text: string;
}

/** The files that the arguments name (a shell that expands no patterns leaves that to us), named as seen from here. */
export function readSources(
  patterns: readonly string[],
  { workingDirectory }: Environment,
): readonly PolicySource[] {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = globSync(pattern, { cwd: workingDirectory });
    if (found.length === 0) throw usage(`There is no file ${pattern}.`);
    for (const file of found) files.add(resolve(workingDirectory, file));
  }
  return [...files]
    .toSorted()
    .map((file) => ({ name: relative(workingDirectory, file), text: readText(file) }));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    throw usage(`${file} cannot be read (${code}).`);
  }
}
