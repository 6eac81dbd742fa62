import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";

/** `npm run bench -- <workload> [options]`: runs one of the programs beside this file, each of which prints its own baseline. */
const servers = /-servers\.ts$|^main\.ts$|load\.ts$|^idle-node\.ts$/;
const workloads = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts") && !servers.test(file))
  .map((file) => file.slice(0, -3));

const [workload = "", ...options] = process.argv.slice(2);
if (workloads.includes(workload)) {
  const program = new URL(`${workload}.ts`, import.meta.url);
  spawn(process.execPath, [program.pathname, ...options], { stdio: "inherit" }).on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  console.error(`npm run bench -- <workload> [options]\nworkloads: ${workloads.join(", ")}`);
  process.exitCode = 2;
}
