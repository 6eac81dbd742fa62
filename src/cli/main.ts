#!/usr/bin/env node
import { readEnvironment } from "../app/command-line.ts";
import { systemClock } from "../base/index.ts";
import { runCli } from "./run-cli.ts";

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
