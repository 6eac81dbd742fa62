import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Made by whoever installs: test files run side by side, and apt takes one at a time. */
const lock = join(tmpdir(), "signalbox-deploy-tools.lock");
const installMs = 300_000;

/** Where a program of Debian's is. Where root runs the tests and it is missing, apt gets its package, once. */
export function debianProgram(name: string, fromPackage: string): string {
  const found = look(name);
  if (found !== null) return found;
  if (process.getuid?.() === 0) install(name, fromPackage);
  const installed = look(name);
  if (installed !== null) return installed;
  throw new Error(`this test needs ${name}: apt-get install ${fromPackage}`);
}

const look = (name: string): string | null =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]
    .map((path) => join(path, name))
    .find((path) => existsSync(path)) ?? null;

function install(name: string, fromPackage: string): void {
  const deadline = performance.now() + installMs;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (look(name) !== null) return;
      if (performance.now() > deadline) rmSync(lock, { recursive: true, force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    spawnSync("apt-get", ["update", "-q"], { env, stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", fromPackage], {
      env,
      stdio: "ignore",
    });
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
