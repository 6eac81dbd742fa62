import type { Launched, Process } from "../app/index.ts";
import type { MonotonicMs } from "../base/index.ts";
import { elapsedMs, systemRandom } from "../base/index.ts";
import { cleanLine } from "./clean.ts";
import { Stop, exitCodes } from "./exit.ts";
import type { Output, Terminal } from "./terminal.ts";

const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm passes a Ctrl-C on that the terminal has sent us already: two so close together are one. */
const samePressMs = 500;

/** From the start of a node in this process to its end: a signal stops it in order, a second one at once. */
export class Lifetime {
  private readonly terminal: Terminal;
  private readonly output: Output;
  private launched: Launched | null = null;
  private fatal: string | null = null;
  private firstSignalAt: MonotonicMs | null = null;
  private end: () => void = () => {};
  private readonly ended: Promise<void>;

  constructor(terminal: Terminal, output: Output) {
    this.terminal = terminal;
    this.output = output;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** A signal that arrives while it starts lets it start, and then stops it: nothing is left half-open. */
  async start<T extends Launched>(start: (host: Process) => Promise<T>): Promise<T> {
    for (const signal of endings) process.on(signal, this.onSignal);
    const { environment, clock } = this.terminal;
    try {
      const launched = await start({
        environment,
        clock,
        random: systemRandom,
        say: (kind, sentence) => this.output[kind === "warning" ? "warn" : "error"](cleanLine(sentence)),
        onFatal: (reason) => {
          this.fatal = reason;
          this.end();
        },
      });
      this.launched = launched;
      return launched;
    } catch (thrown) {
      this.leave();
      throw thrown;
    }
  }

  /** Resolves when the node has stopped; throws Stop when it could not go on by itself. */
  async untilStopped(): Promise<void> {
    await this.ended;
    await this.launched?.stop();
    this.leave();
    if (this.fatal !== null) {
      throw new Stop("node-ended", `The node could not go on: ${this.fatal}.`, {
        exitCode: exitCodes.failed,
      });
    }
  }

  private readonly onSignal = (): void => {
    const now = this.terminal.clock.monotonic();
    if (this.firstSignalAt === null) {
      this.firstSignalAt = now;
      this.output.remark("Stopping: calls under way may finish. Once more stops at once.");
      this.end();
    } else if (elapsedMs(now, this.firstSignalAt) > samePressMs) {
      // What children are left end with us; calls under way are found as unknown at the next start.
      process.exit(exitCodes.failed);
    }
  };

  private leave(): void {
    for (const signal of endings) process.off(signal, this.onSignal);
  }
}
