#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

// Compiled code is kept between starts, which makes a node ready in about 0.9 s instead of 1.3. It lies in the user's own folder:
// from one that others can write to, we would run their code. Where it cannot be kept, everything works as before.
enableCompileCache(join(homedir(), ".cache", "signalbox", "compiled"));

// Loading the program would make the young generation grow to tens of MB, which an idle node never gives back. `launch` lets it
// grow once the node is ready.
setFlagsFromString("--semi-space-growth-factor=1");

const { readEnvironment } = await import("../app/command-line.ts");
const { systemClock } = await import("../base/index.ts");
const { runCli } = await import("./run-cli.ts");

// Whoever reads us may stop reading: `signalbox tools ls | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const { stdin, stdout, stderr } = process;
process.exitCode = await runCli(process.argv.slice(2), {
  environment: readEnvironment(),
  clock: systemClock,
  stdin,
  stdout,
  stderr,
});
