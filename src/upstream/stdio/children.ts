import { spawn } from "node:child_process";
import type { Clock } from "../../base/index.ts";
import type { UpstreamLimits } from "../limits.ts";
import { Trouble } from "../trouble.ts";
import { Child } from "./child.ts";
import { pickEnvironment } from "./environment.ts";
import { Guardian } from "./guardian.ts";
import { signalGroup } from "./process-group.ts";

export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** null = the working directory of all. */
  readonly cwd: string | null;
}

/** All child processes of this node. */
export class Children {
  private readonly clock: Clock;
  private readonly limits: UpstreamLimits;
  private readonly environment: Readonly<Record<string, string>>;
  private readonly workingDirectory: string;
  private readonly guardian = new Guardian();
  private readonly alive = new Set<Child>();
  private readonly onProcessExit = (): void => {
    for (const child of this.alive) signalGroup(child.pid, "SIGKILL");
  };

  constructor(options: {
    readonly clock: Clock;
    readonly limits: UpstreamLimits;
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly workingDirectory: string;
  }) {
    this.clock = options.clock;
    this.limits = options.limits;
    this.environment = pickEnvironment(options.environment);
    this.workingDirectory = options.workingDirectory;
  }

  get count(): number {
    return this.alive.size;
  }

  /** null = no child was started yet, or the platform has none. */
  get guardianPid(): number | null {
    return this.guardian.pid;
  }

  start(): void {
    process.on("exit", this.onProcessExit);
  }

  async stop(): Promise<void> {
    await Promise.allSettled([...this.alive].map((child) => child.end()));
    process.off("exit", this.onProcessExit);
    await this.guardian.stop();
  }

  /** Starts a program by its argument vector, without a shell. Throws a Trouble when it cannot be started. */
  spawn(command: ChildCommand): Promise<Child> {
    if (this.alive.size >= this.limits.processesMax) {
      const reason = `${this.limits.processesMax} server processes are running already`;
      return Promise.reject(new Trouble("overload", reason));
    }
    return new Promise((resolve, reject) => {
      const child = spawn(command.command, [...command.args], {
        cwd: command.cwd ?? this.workingDirectory,
        env: { ...this.environment, ...command.env },
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
        shell: false,
        windowsHide: true,
      });
      const { pid } = child;
      if (pid === undefined) {
        child.once("error", (error) => {
          const code = (error as NodeJS.ErrnoException).code ?? error.message;
          reject(new Trouble("correctness", `${command.command} cannot be started (${code})`, error));
        });
        return;
      }
      const wrapped: Child = new Child(child, pid, this.clock, this.limits, () => {
        this.alive.delete(wrapped);
        this.guardian.release(pid);
      });
      this.alive.add(wrapped);
      this.guardian.watch(pid);
      resolve(wrapped);
    });
  }
}
