import type { ChildProcessWithoutNullStreams } from "node:child_process";
import type { Clock } from "../../base/index.ts";
import { delay, elapsedMs } from "../../base/index.ts";
import type { UpstreamLimits } from "../limits.ts";
import { isGroupAlive, signalGroup } from "./process-group.ts";

const pollMs = 20;
/** After SIGKILL only the kernel is waited for; a zombie that nobody reaps must not hold us up. */
const afterKillMs = 500;

/** One child process and its group. It is over when the process has exited and its group is empty or was killed. */
export class Child {
  readonly pid: number;
  readonly stdin: ChildProcessWithoutNullStreams["stdin"];
  readonly stdout: ChildProcessWithoutNullStreams["stdout"];
  readonly stderr: ChildProcessWithoutNullStreams["stderr"];
  /** How it exited, in words. */
  readonly exited: Promise<string>;
  hasExited = false;
  private readonly clock: Clock;
  private readonly limits: UpstreamLimits;
  private readonly onOver: () => void;
  private ending: Promise<void> | null = null;

  constructor(
    child: ChildProcessWithoutNullStreams,
    pid: number,
    clock: Clock,
    limits: UpstreamLimits,
    onOver: () => void,
  ) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    this.clock = clock;
    this.limits = limits;
    this.onOver = onOver;
    // A write to a process that is gone is told by its exit.
    child.stdin.on("error", () => undefined);
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.hasExited = true;
        resolve(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
        // What it started does not outlive it.
        void this.end();
      });
    });
    child.on("error", () => undefined);
  }

  /** Asks by closing its input, then by SIGTERM, then ends the whole group by SIGKILL. A second call waits for the first. */
  end(): Promise<void> {
    this.ending ??= this.endGroup();
    return this.ending;
  }

  private async endGroup(): Promise<void> {
    try {
      this.stdin.end();
      if (!this.hasExited) await this.isOverWithin(this.limits.stopPoliteMs);
      if (isGroupAlive(this.pid)) {
        signalGroup(this.pid, "SIGTERM");
        if (!(await this.isOverWithin(this.limits.stopGraceMs))) {
          signalGroup(this.pid, "SIGKILL");
          await this.isOverWithin(afterKillMs);
        }
      }
    } finally {
      this.stdout.destroy();
      this.stderr.destroy();
      this.stdin.destroy();
      this.onOver();
    }
  }

  private async isOverWithin(ms: number): Promise<boolean> {
    const startedAt = this.clock.monotonic();
    for (;;) {
      if (this.hasExited && !isGroupAlive(this.pid)) return true;
      if (elapsedMs(this.clock.monotonic(), startedAt) >= ms) return false;
      await delay(this.clock, pollMs);
    }
  }
}
