import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * node tools/install-workspace.ts FOLDER…: installs what stands in each folder's lockfile, unless just that is installed already.
 * For things that the tests are tried with and that no user of the package should have to install. Scripts of packages do not run.
 */
for (const folder of process.argv.slice(2)) {
  const lock = createHash("sha256")
    .update(readFileSync(join(folder, "package-lock.json")))
    .digest("hex");
  const mark = join(folder, "node_modules", ".lockfile-digest");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) continue;
  console.error(`installing what ${folder} needs …`);
  const { status } = spawnSync(
    "npm",
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(mark, lock);
}
