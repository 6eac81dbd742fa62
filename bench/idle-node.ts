import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Idle {
  readonly readyMs: number;
  /** Of all threads: does not depend on how busy the machine is. */
  readonly readyCpuMs: number;
  readonly rssMiB: number;
}

/** `built` is what users have, and what the goals are about: `npm run build` makes it. */
const programs = { built: "../dist/src/cli/main.js", source: "../src/cli/main.ts" } as const;
const nodes = 3;

/** The median of some fresh nodes, after one that fills the file cache. */
export async function measureIdle(form: keyof typeof programs): Promise<Idle> {
  const file = fileURLToPath(new URL(programs[form], import.meta.url));
  if (!existsSync(file)) throw new Error(`${file} is missing: npm run build`);
  await startIdle(file);
  const found: Idle[] = [];
  for (let at = 0; at < nodes; at++) found.push(await startIdle(file));
  return {
    readyMs: median(found.map(({ readyMs }) => readyMs)),
    readyCpuMs: median(found.map(({ readyCpuMs }) => readyCpuMs)),
    rssMiB: median(found.map(({ rssMiB }) => rssMiB)),
  };
}

/** A fresh node without servers: from start to listening, and its memory three seconds later. */
async function startIdle(file: string): Promise<Idle> {
  const cwd = mkdtempSync(join(tmpdir(), "signalbox-idle-"));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [file, "dev", "--json", "--no-import", "--port", "0"], {
    cwd,
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the idle node ended with ${code}`)));
    child.stdout?.once("data", () => resolve());
  });
  const readyMs = performance.now() - startedAt;
  // Fields 14 and 15, in hundredths of a second; those before the closing bracket are two.
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const readyCpuMs = (Number(fields[11]) + Number(fields[12])) * 10;
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
  child.removeAllListeners("exit");
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
  rmSync(cwd, { recursive: true, force: true });
  return { readyMs, readyCpuMs, rssMiB };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
