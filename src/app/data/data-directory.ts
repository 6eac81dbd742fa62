import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../base/index.ts";

/**
 * Where stdio servers run that name no directory of their own: an empty folder, because one that serves "." must not serve the
 * keys and the database beside it. Made when it is missing; so is a note for git, which has no business with any of it.
 */
export function serversDirectory(dataDirectory: string): string {
  const directory = join(dataDirectory, "servers");
  makeDirectories(directory, 0o700);
  try {
    writeFileSync(join(dataDirectory, ".gitignore"), "*\n", { flag: "wx", mode: 0o600 });
  } catch {
    // It is there, or cannot be written, which stops nothing.
  }
  return directory;
}
