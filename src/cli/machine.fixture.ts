import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { childEnvironment } from "../../test/fixtures/child-environment.ts";

const main = join(import.meta.dirname, "main.ts");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `dev`, `serve` and `proxy` say with --json; each says its part. */
export interface Announced {
  readonly url: string;
  readonly mcp: string;
  readonly token: string;
  readonly servers: readonly { readonly name: string; readonly state: string; readonly tools: number }[];
  readonly imported: readonly string[];
  readonly notes: readonly string[];
  readonly firstAdminKey: string | null;
}

/** A person's machine: a home, a working directory and nothing in them. Everything started on it ends with it. */
export class Machine {
  readonly home = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
  readonly work = join(this.home, "work");
  private readonly started: Started[] = [];

  constructor() {
    mkdirSync(this.work);
  }

  put(path: string, content: unknown): string {
    const file = join(this.home, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return file;
  }

  read(path: string): string {
    return readFileSync(join(this.home, path), "utf8");
  }

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    given: { stdin?: string; env?: Record<string, string> } = {},
  ): Promise<Ran> {
    const child = this.spawn(args, given.env ?? {});
    child.stdin?.end(given.stdin ?? "");
    return ended(child);
  }

  /** The one JSON document that a command prints; throws with what it said when it did not succeed. */
  async json<T>(
    args: readonly string[],
    given: { stdin?: string; env?: Record<string, string> } = {},
  ): Promise<T> {
    const ran = await this.run([...args, "--json"], given);
    if (ran.code !== 0) throw new Error(`signalbox ${args.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as T;
  }

  /** Starts a node and resolves with the document it announces itself with. */
  async node(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ said: Announced; node: Started }> {
    const node = new Started(this.spawn(args, env));
    this.started.push(node);
    return { said: (await node.announced()) as Announced, node };
  }

  async end(): Promise<void> {
    await Promise.all(this.started.map((node) => node.stop()));
    rmSync(this.home, { recursive: true, force: true });
  }

  private spawn(args: readonly string[], env: Record<string, string>): ChildProcess {
    return spawn(process.execPath, [main, ...args], {
      cwd: this.work,
      env: { ...childEnvironment(), HOME: this.home, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
  }
}

/** How long anything here may take before the test is told what was printed until then. */
const deadlineMs = 60_000;

/** A node that runs. */
export class Started {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  private readonly over: Promise<number | null>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.over = new Promise((resolve) => child.once("close", resolve));
  }

  announced(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const give = (why: string): void => reject(new Error(`the node ${why}: ${this.stderr}${this.stdout}`));
      const timer = setTimeout(() => give("did not announce itself"), deadlineMs);
      const look = (): void => {
        const said = parsed(this.stdout);
        if (said === null) return;
        clearTimeout(timer);
        resolve(said);
      };
      this.child.stdout?.on("data", look);
      void this.over.then((code) => {
        clearTimeout(timer);
        give(`ended with ${code}`);
      });
    });
  }

  /** Processes it has started that still run. */
  children(): readonly number[] {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
    return pairs.flatMap(([pid, parent]) => (parent === this.child.pid && pid !== undefined ? [pid] : []));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** The exit code; null = a signal ended it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode === null) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), deadlineMs);
    try {
      return await this.over;
    } finally {
      clearTimeout(timer);
    }
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function ended(child: ChildProcess): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`it did not end: ${stderr}`));
    }, deadlineMs);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
