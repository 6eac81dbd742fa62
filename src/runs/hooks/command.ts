import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { Fault } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Hook, StartOrder } from "../hook.ts";
import { orderVariables } from "../hook.ts";

export interface CommandHookOptions {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  readonly isFor: (owner: Principal) => boolean;
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** At the moment of the start; with the secrets in it, which are kept nowhere. */
  readonly environment: () => Promise<Readonly<Record<string, string>>>;
  /** Programs of this hook at once. */
  readonly processesMax: number;
  readonly onExit: (order: StartOrder, how: string) => void;
}

/**
 * Starts a program by its argument vector, without a shell, as the leader of its own process group. It is told its run in the environment
 * and is given nothing to read or write, so that it outlives a node that dies, and says by itself that it lives.
 */
export class CommandHook implements Hook {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  private readonly options: CommandHookOptions;
  private readonly alive = new Set<ChildProcess>();
  private starting = 0;

  constructor(options: CommandHookOptions) {
    this.options = options;
    this.startsMax = options.startsMax;
    this.attachWithinMs = options.attachWithinMs;
  }

  get room(): number {
    return this.options.processesMax - this.alive.size - this.starting;
  }

  isFor(owner: Principal): boolean {
    return this.options.isFor(owner);
  }

  async start(order: StartOrder): Promise<void> {
    this.starting++;
    try {
      await this.startProgram(order);
    } finally {
      this.starting--;
    }
  }

  private async startProgram(order: StartOrder): Promise<void> {
    const { command, args, directory, environment, onExit } = this.options;
    const env = {
      ...(await environment()),
      ...orderVariables(order),
    };
    const child = spawn(command, [...args], {
      cwd: directory,
      env,
      stdio: "ignore",
      detached: true,
      shell: false,
      windowsHide: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) =>
        reject(new Fault("config-invalid", `${command} cannot be started`, { cause })),
      );
    });
    this.alive.add(child);
    child.unref();
    child.once("exit", (code, signal) => {
      this.alive.delete(child);
      onExit(order, signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    });
  }

  /** An agent that is asked to end with its node goes on when the next node starts it: that is what its journal is for. */
  async stop(): Promise<void> {
    for (const { pid } of this.alive) if (pid !== undefined) endGroup(pid);
    this.alive.clear();
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // ESRCH: nobody is left.
  }
}
