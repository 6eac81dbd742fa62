import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import type { Used } from "./child.ts";
import { Child } from "./child.ts";
import type { StepsReport, StepsWishes } from "./steps.ts";
import type { WaitingReport } from "./waiting.ts";

/** Where the example installs engine and SDK; this package depends on neither. */
const example = fileURLToPath(new URL("../../examples/runtimes/restate/", import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const engine = `${example}node_modules/@restatedev/restate-server-${platform}/bin/restate-server`;

const startMsMax = 60_000;
/** As many as the other side of the comparison has at once, each in a request of its own. */
const atOnce = 500;
const connections = 256;

type Wishes =
  | ({ readonly kind: "steps" } & StepsWishes)
  | { readonly kind: "waiting"; readonly count: number; readonly idleMs: number };

export type RestateReport =
  | { readonly kind: "steps"; readonly report: StepsReport }
  | { readonly kind: "waiting"; readonly report: WaitingReport };

interface Done {
  readonly steps: number;
  readonly runs: number;
  readonly parked: number;
  readonly finished: number;
}

/** Restate with its own defaults, on this machine, in the same run: engine and worker as processes of their own. */
export class RestateEngine {
  private readonly process: ChildProcess;
  private readonly worker: Child;
  private readonly ports: { readonly ingress: number; readonly admin: number };
  private readonly dispatcher = new Agent({ connections, headersTimeout: 600_000 });

  private constructor(process: ChildProcess, worker: Child, ports: RestateEngine["ports"]) {
    this.process = process;
    this.worker = worker;
    this.ports = ports;
  }

  /** null = it is not installed (`node tools/install-workspace.ts examples/runtimes/restate` does that), or does not start. */
  static async measure(directory: string, wishes: Wishes): Promise<RestateReport | null> {
    if (!existsSync(engine)) {
      console.error("Restate is not installed: node tools/install-workspace.ts examples/runtimes/restate");
      return null;
    }
    const restate = await RestateEngine.start(directory);
    try {
      return wishes.kind === "steps"
        ? { kind: "steps", report: await restate.steps(wishes) }
        : { kind: "waiting", report: await restate.waiting(wishes) };
    } finally {
      await restate.stop();
    }
  }

  private static async start(directory: string): Promise<RestateEngine> {
    const [ingress = 0, admin = 0, fabric = 0] = await freePorts(3);
    const worker = await Child.start("restate-worker.ts", `${example}package.json`);
    const args = ["--no-logo", "--listen-mode", "tcp", "--bind-ip", "127.0.0.1", "--node-name", "one"];
    const process = spawn(engine, [...args, "--bind-port", String(fabric)], {
      cwd: directory,
      stdio: "ignore",
      env: {
        RESTATE_BASE_DIR: directory,
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_DISABLE_TELEMETRY: "true",
        DO_NOT_TRACK: "1",
        RESTATE_LOG_FILTER: "warn",
      },
    });
    globalThis.process.once("exit", () => process.kill("SIGKILL")); // also when the bench breaks off
    const restate = new RestateEngine(process, worker, { ingress, admin });
    await restate.until(
      async () => (await restate.isUp(admin, "/health")) && restate.isUp(ingress, "/restate/health"),
    );
    await restate.post(admin, "/deployments", { uri: `http://127.0.0.1:${String(worker.said)}` });
    return restate;
  }

  private async stop(): Promise<void> {
    await this.worker.kill9(); // first: it would tell of each invocation that it loses
    await this.dispatcher.destroy();
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  private async steps({ inFlight, stepsPerRun, seconds, warmUpSeconds }: StepsWishes): Promise<StepsReport> {
    const over = new AbortController();
    const one = async (): Promise<void> => {
      while (!over.signal.aborted) await this.post(this.ports.ingress, "/stepper/work", stepsPerRun);
    };
    Promise.all(Array.from({ length: inFlight }, one)).catch((thrown: unknown) => {
      if (!over.signal.aborted) throw thrown; // nobody waits for the rest
    });
    await pause(warmUpSeconds);
    const from = await this.done();
    const used = this.meter();
    await pause(seconds);
    const to = await this.done();
    const { ms, cpuMs, rssMiB } = used();
    over.abort();
    const steps = to.steps - from.steps;
    return { steps, runs: to.runs - from.runs, ms, cpuMs, driverCpuMs: null, rssMiB };
  }

  private async waiting({ count, idleMs }: { count: number; idleMs: number }): Promise<WaitingReport> {
    const forAll = async (path: (i: number) => string, body: unknown): Promise<void> => {
      let next = 0;
      const one = async (): Promise<void> => {
        while (next < count) await this.post(this.ports.ingress, path(next++), body);
      };
      await Promise.all(Array.from({ length: atOnce }, one));
    };
    const phase = async (act: () => Promise<void>): Promise<Used> => {
      const used = this.meter();
      await act();
      return used();
    };
    const ready = await phase(() => pause(1));
    const park = await phase(async () => {
      await forAll((i) => `/waiter/run-${i}/run/send`, undefined);
      await this.until(async () => (await this.done()).parked >= count);
    });
    const idle = await phase(() => pause(idleMs / 1000));
    const used = this.meter(); // Restate goes on by itself as soon as it is told: this is until the last has ended
    const approve = await phase(() => forAll((i) => `/waiter/run-${i}/approve`, undefined));
    await this.until(async () => (await this.done()).finished >= count);
    return { ready, park, idle, approve, resume: used() };
  }

  private done(): Promise<Done> {
    return this.worker.ask({}) as Promise<Done>;
  }

  /** Engine alone: what keeps the journal. */
  private meter(): () => Used {
    const cpuMs = cpuMsOf(this.process.pid);
    const startedAt = performance.now();
    return () => ({
      ms: performance.now() - startedAt,
      cpuMs: cpuMsOf(this.process.pid) - cpuMs,
      rssMiB: rssMiBOf(this.process.pid),
    });
  }

  private async post(port: number, path: string, body: unknown): Promise<void> {
    const answer = await request(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      dispatcher: this.dispatcher,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${text}`);
  }

  private async isUp(port: number, path: string): Promise<boolean> {
    return fetch(`http://127.0.0.1:${port}${path}`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  private async until(isSo: () => Promise<boolean>): Promise<void> {
    const endAt = performance.now() + startMsMax;
    while (!(await isSo())) {
      if (this.process.exitCode !== null) throw new Error(`Restate ended with ${this.process.exitCode}`);
      if (performance.now() > endAt) throw new Error("Restate does not get there");
      await pause(0.05);
    }
  }
}

/** Of all its threads; the kernel counts in hundredths of a second (proc_pid_stat(5), fields 14 and 15). */
function cpuMsOf(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const rssMiBOf = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

const pause = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000));

/** Nobody else's right now, which is as much as can be had for a program that is told its ports. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
