#!/usr/bin/env node
// Whole, because a Node that is too old lacks names in it, and could not say that it is.
import * as modules from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { tooOld } from "./node-version.ts";

const old = tooOld(process.versions.node);
if (old !== null) {
  process.stderr.write(`${old}\n`);
  process.exit(1);
}

// From source, compiled code is kept between starts: a node is then ready in two thirds of the time. It lies in the user's own
// folder: from one that others can write to, we would run their code. Where it cannot be kept, everything works as before. Built,
// there is nothing to strip; what was kept would save 60 ms, and the engine holds it in memory for good.
if (import.meta.filename.endsWith(".ts"))
  modules.enableCompileCache(join(homedir(), ".cache", "signalbox", "compiled"));

const { beginStarting, endStarting, readEnvironment } = await import("../app/command-line.ts");
beginStarting();
const { keepProcess, systemClock } = await import("../base/index.ts");
const { runCli } = await import("./run-cli.ts");
endStarting();

// Whoever reads us may stop reading: `signalbox tools ls | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const { stdin, stdout, stderr } = process;
const letGo = keepProcess();
process.exitCode = await runCli(process.argv.slice(2), {
  environment: readEnvironment(),
  clock: systemClock,
  stdin,
  stdout,
  stderr,
});
letGo();
