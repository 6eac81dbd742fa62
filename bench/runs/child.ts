import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { built } from "../built.ts";

/** A process that is measured: says something once it is ready, then gives one answer to each thing it is asked. */
export class Child {
  /** What it said when it was ready. */
  readonly said: unknown;
  private readonly process: ChildProcess;

  private constructor(process: ChildProcess, said: unknown) {
    this.process = process;
    this.said = said;
  }

  /** `program` beside this file, compiled. */
  static async start(program: string, ...args: readonly string[]): Promise<Child> {
    const process = fork(built(join("runs", program)), args);
    return new Child(process, await nextMessage(process));
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  ask(asked: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (!this.process.connected) throw new Error(`it has ended with ${this.process.exitCode}`);
    this.process.send(asked);
    return nextMessage(this.process);
  }

  async kill9(): Promise<void> {
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  /** It ends by itself once nobody is there any more. */
  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.disconnect();
    await ended;
  }
}

function nextMessage(process: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`it ended with ${code}`));
    process.once("exit", onExit);
    process.once("message", (message) => {
      process.off("exit", onExit);
      resolve(message);
    });
  });
}

/** The child's side: `ready` is said first, then whatever `answer` gives for each thing asked. */
export function serve(ready: unknown, answer: (asked: never) => Promise<unknown>): void {
  process.on("message", (asked) => {
    // The one cast for what our own parent says.
    answer(asked as never).then(
      (said) => process.send?.(said),
      (thrown: unknown) => {
        console.error(thrown);
        process.exit(1);
      },
    );
  });
  process.send?.(ready);
}

export interface Used {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

/** What this process takes from now on. */
export function startMeter(): () => Used {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      ms: performance.now() - startedAt,
      cpuMs: (user + system) / 1000,
      rssMiB: process.memoryUsage().rss / 2 ** 20,
    };
  };
}
