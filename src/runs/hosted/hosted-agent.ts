import type { ExhaustionPolicy, WorkerReport } from "../../../contract/index.ts";
import type { CancelTimer, Clock, MonotonicMs } from "../../base/index.ts";
import { Fault, elapsedMs } from "../../base/index.ts";
import type { Principal, PrincipalId } from "../../identity/index.ts";
import type { Hook, StartOrder } from "../hook.ts";
import type { Retries } from "../retries.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface HostedAgentOptions {
  readonly clock: Clock;
  readonly name: string;
  readonly version: string;
  /** An absolute path. */
  readonly module: string;
  readonly directory: string;
  readonly startsMax: number;
  readonly retries: Retries;
  /** Runs in its process at once; those that wait are not among them. */
  readonly runsMax: number;
  /** As its worker is told. */
  readonly onContextExhausted: ExhaustionPolicy | null;
  readonly isFor: (owner: Principal) => boolean;
  /** At the moment of the start; with the secrets in it. */
  readonly environment: () => Promise<Readonly<Record<string, string>>>;
  /** Of the node; null = it does not listen yet. */
  readonly url: () => string | null;
  /** Of whose run this is, as the worker knows it: null = the agent's own. */
  readonly ownerOf: (order: StartOrder) => PrincipalId | null;
  /** A new one, good for at least twice `renewEveryMs`; null = the agent's own. Throws when there may be none. */
  readonly token: (owner: PrincipalId | null) => string;
  /** Starts whose run did not get on: the agent threw, or its process ended; or, as our own doing, its node stops. Never rejects. */
  readonly onLost: (orders: readonly StartOrder[], reason: string, isOurDoing: boolean) => Promise<void>;
  readonly onSays: (text: string) => void;
}

export const renewEveryMs = 5 * 60_000;
/** After a process that died, doubled with each that dies within a minute. */
const pauseFirstMs = 500;
const pauseMsMax = 60_000;
const isSteadyAfterMs = 60_000;

/**
 * One version of an agent of the configuration. It is a hook: a run that is due is driven in the agent's process, which is started with
 * the first one, driven beside others, and gone from memory when it waits.
 */
export class HostedAgent implements Hook {
  readonly endsWithNode = true;
  readonly startsMax: number;
  readonly retries: Retries;
  private readonly options: HostedAgentOptions;
  private readonly driven = new Map<string, StartOrder>();
  private starting: Promise<WorkerProcess> | null = null;
  private startedAt: MonotonicMs | null = null;
  private cancelRenewal: CancelTimer | null = null;
  private pauseMs = 0;
  private isPausing = false;
  private isServing = false;
  private readonly stopping = new AbortController();

  constructor(options: HostedAgentOptions) {
    this.options = options;
    this.startsMax = options.startsMax;
    this.retries = options.retries;
  }

  get room(): number {
    return this.isPausing || this.stopping.signal.aborted ? 0 : this.options.runsMax - this.driven.size;
  }

  isFor(owner: Principal): boolean {
    return this.options.isFor(owner);
  }

  async start(order: StartOrder): Promise<void> {
    this.driven.set(order.id, order);
    try {
      const worker = await (this.starting ??= this.startWorker());
      const { ownerOf, token } = this.options;
      const id = ownerOf(order);
      const owner = id === null ? null : { id, token: token(id) };
      worker.send({ kind: "drive", order: order.id, run: order.name, owner });
    } catch (thrown) {
      this.driven.delete(order.id);
      throw thrown;
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.cancelRenewal?.();
    const worker = await this.starting?.catch(() => null);
    await worker?.end();
    const orders = [...this.driven.values()];
    this.driven.clear();
    // So that the next node need not wait until they have said nothing for long enough.
    await this.options.onLost(orders, "its node has stopped", true);
  }

  private async startWorker(): Promise<WorkerProcess> {
    const { clock, name, version, module, directory, environment, url, token, onSays, onContextExhausted } =
      this.options;
    try {
      const at = url();
      if (at === null || this.stopping.signal.aborted)
        throw new Fault("shutting-down", "the node does not listen, so its agents cannot reach it");
      this.startedAt = clock.monotonic();
      const worker = await WorkerProcess.start({
        clock,
        serve: {
          kind: "serve",
          agent: name,
          version,
          module,
          url: at,
          token: token(null),
          onContextExhausted,
        },
        environment: await environment(),
        directory,
        stopping: this.stopping.signal,
        onReport: (report) => this.heard(report),
        onSays,
        onEnd: (how) => this.ended(how),
      });
      this.isServing = true;
      this.renewLater(worker);
      return worker;
    } catch (thrown) {
      this.pauseAfterEnd();
      throw thrown;
    }
  }

  private heard(report: WorkerReport): void {
    switch (report.kind) {
      case "serving":
      case "unusable":
        return;
      case "trouble":
        return this.options.onSays(report.reason);
      case "left": {
        const order = this.driven.get(report.order);
        this.driven.delete(report.order);
        if (order !== undefined && report.trouble !== null)
          void this.options.onLost([order], report.trouble, false);
      }
    }
  }

  /** Its process is gone, and with it whatever it drove. */
  private ended(how: string): void {
    if (!this.isServing || this.stopping.signal.aborted) return;
    const { name, version, onLost } = this.options;
    this.isServing = false;
    this.cancelRenewal?.();
    this.pauseAfterEnd();
    const orders = [...this.driven.values()];
    this.driven.clear();
    void onLost(orders, `the process of ${name} ${version} ${how}`, false);
  }

  private pauseAfterEnd(): void {
    const { clock } = this.options;
    this.starting = null;
    const lived = this.startedAt === null ? 0 : elapsedMs(clock.monotonic(), this.startedAt);
    this.pauseMs =
      lived > isSteadyAfterMs ? pauseFirstMs : Math.min(2 * this.pauseMs || pauseFirstMs, pauseMsMax);
    this.isPausing = true;
    clock.after(this.pauseMs, () => (this.isPausing = false));
  }

  private renewLater(worker: WorkerProcess): void {
    this.cancelRenewal = this.options.clock.after(renewEveryMs, () => {
      const { ownerOf, token, onSays } = this.options;
      for (const owner of new Set([null, ...[...this.driven.values()].map(ownerOf)])) {
        try {
          worker.send({ kind: "token", owner, token: token(owner) });
        } catch (thrown) {
          // Its agent was disabled: its steps are refused from then on, as they should be.
          onSays(String(thrown));
        }
      }
      this.renewLater(worker);
    });
  }
}
