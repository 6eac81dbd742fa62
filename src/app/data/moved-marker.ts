import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/index.ts";
import { writePrivateFile } from "./private-file.ts";

/** Left in a data directory whose store was moved away: two nodes that each believe in their copy would do everything twice. */
const movedFileName = "moved-to";

export const markMoved = (directory: string, to: string): void =>
  writePrivateFile(join(directory, movedFileName), `${to}\n`);

/** Throws `config-invalid` when the store of this data directory was moved away. */
export function refuseMoved(directory: string): void {
  const file = join(directory, movedFileName);
  if (!existsSync(file)) return;
  const to = readFileSync(file, "utf8").trim();
  throw new Fault(
    "config-invalid",
    `the store of ${directory} was moved to ${to}: a node on this copy would do again what is done there`,
  );
}
