import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { WorkerOrder, WorkerReport } from "../../../contract/index.ts";
import type { Clock } from "../../base/index.ts";
import { Fault, ownFile } from "../../base/index.ts";

export interface WorkerChoice {
  readonly clock: Clock;
  readonly serve: Extract<WorkerOrder, { kind: "serve" }>;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** Fires when the node stops: loading is not waited for any more. */
  readonly stopping: AbortSignal;
  readonly onReport: (report: WorkerReport) => void;
  /** A line or more of what the agent prints, cut off where it is long. */
  readonly onSays: (text: string) => void;
  /** Once, however it ended. */
  readonly onEnd: (how: string) => void;
}

/** Loading a large module on a busy machine; longer means that it waits for something at its top. */
const serveMsMax = 30_000;
/** A stack trace fits. What is longer is the agent's own log, and belongs into a file of its own. */
const saysCharactersMax = 4_000;
/** Between asking a worker to end and ending it. */
const endMs = 2_000;

const program = ownFile("worker/main.ts");

/** One child process, leader of its own group, with a channel to it. It ends by itself when the channel does. */
export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly clock: Clock;
  private readonly ended: Promise<void>;

  private constructor(child: ChildProcess, { clock, onEnd, onSays }: WorkerChoice) {
    this.child = child;
    this.clock = clock;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => onSays(text.slice(0, saysCharactersMax)));
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        resolve();
        onEnd(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
      });
    });
    child.on("error", () => undefined); // a channel that broke while we wrote: its end tells
  }

  /** Resolves once it has loaded the agent. Rejects with the reason when it cannot. */
  static async start(choice: WorkerChoice): Promise<WorkerProcess> {
    const { clock, serve, environment, directory, stopping, onReport } = choice;
    const child = spawn(process.execPath, [program.pathname], {
      cwd: directory,
      env: environment,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
      shell: false,
      windowsHide: true,
    });
    const worker = new WorkerProcess(child, choice);
    const said = new Promise<WorkerReport>((resolve) => {
      child.on("message", (report: WorkerReport) => {
        resolve(report);
        onReport(report);
      });
      void worker.ended.then(() => resolve({ kind: "unusable", reason: "its process has ended" }));
      stopping.addEventListener("abort", () => resolve({ kind: "unusable", reason: "its node stops" }), {
        once: true,
      });
      clock.after(serveMsMax, () => resolve({ kind: "unusable", reason: "it takes too long to load" }));
    });
    worker.send(serve);
    const first = await said;
    if (first.kind === "serving") return worker;
    await worker.end();
    const reason =
      first.kind === "unusable" || first.kind === "trouble" ? first.reason : "it said something else";
    throw new Fault("config-invalid", `agent ${serve.agent} ${serve.version} cannot be served: ${reason}`);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  send(order: WorkerOrder): void {
    // One that has just died is told nothing; its end brings its runs back.
    if (this.child.connected) this.child.send(order, () => undefined);
  }

  /** Resolves when the process is gone. Safe to call twice. */
  async end(): Promise<void> {
    this.signal("SIGTERM");
    const cancel = this.clock.after(endMs, () => this.signal("SIGKILL"));
    await this.ended;
    cancel();
  }

  private signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // ESRCH: nobody is left.
    }
  }
}
