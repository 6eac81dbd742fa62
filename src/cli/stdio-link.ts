import { dirname } from "node:path";
import type { Config, DevNode, Process } from "../app/index.ts";
import { findConnectionFile, readAgentKey } from "../app/command-line.ts";
import { Fault, delay, elapsedMs, nodeHttp } from "../base/index.ts";
import type { Link, Target } from "../edge/stdio/index.ts";
import { Stop, exitCodes } from "./exit.ts";
import { loadNode } from "./load-node.ts";

/** A named node: there is no other to go on with. */
export class NamedNode implements Link {
  private readonly named: Target;

  constructor(named: Target) {
    this.named = named;
  }

  target(): Promise<Target> {
    return Promise.resolve(this.named);
  }

  lost(): Promise<Target> {
    return this.target();
  }
}

export interface LocalNodeOptions {
  /** Where a node leaves its address; null = the nearest `.signalbox` from the working directory upwards. */
  readonly dataDirectory: string | null;
  /** The configuration for a node of our own. */
  readonly config: () => Promise<Config>;
  readonly findServers: boolean;
  readonly host: Process;
  readonly say: (sentence: string) => void;
}

/** A node takes about a second to start; a slow machine, or many clients at once, some more. */
const findWithinMs = 30_000;
const lookAgainMs = 100;
const probeTimeoutMs = 2_000;

/**
 * The node of a data directory: the one that runs, or one of our own where none does. Only one process can have the data, so of
 * several that are launched at once one becomes the node and the others use it; when it ends, one of them takes its place.
 */
export class LocalNode implements Link {
  private readonly options: LocalNodeOptions;
  private current: Promise<Target> | null = null;
  private own: DevNode | null = null;
  private isClosed = false;

  constructor(options: LocalNodeOptions) {
    this.options = options;
  }

  target(): Promise<Target> {
    if (this.current === null) {
      const finding = this.find();
      this.current = finding;
      finding.catch(() => {
        if (this.current === finding) this.current = null;
      });
    }
    return this.current;
  }

  async lost(target: Target): Promise<Target> {
    const now = await this.current?.catch(() => null);
    if (now === undefined || now === null || now.url === target.url) this.current = null;
    return this.target();
  }

  /** Ends the node, if it is ours. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.current?.catch(() => null);
    await this.own?.stop();
  }

  private async find(): Promise<Target> {
    const { clock } = this.options.host;
    const begunAt = clock.monotonic();
    for (;;) {
      const found = (await this.running()) ?? (await this.started());
      if (found !== null) return found;
      if (this.isClosed || elapsedMs(clock.monotonic(), begunAt) > findWithinMs) {
        throw new Fault("tool-unavailable", "the data directory is in use, and no node answers there");
      }
      await delay(clock, lookAgainMs);
    }
  }

  private async running(): Promise<Target | null> {
    const { host, dataDirectory } = this.options;
    const found = findConnectionFile(host.environment, dataDirectory);
    switch (found.kind) {
      case "none":
        return null;
      case "unsafe":
        throw new Stop("unsafe-connection-file", `${found.file} is not used: ${found.why}.`, {
          exitCode: exitCodes.refused,
          hint: `If it is yours: chmod 600 ${found.file}`,
        });
      case "found": {
        const { url, token } = found.connection;
        // Calls are an agent's, not the administrator's, wherever the node has one for this machine.
        const isUsable = await takesWork(url, host.clock);
        return isUsable ? { url, token: readAgentKey(dirname(found.file)) ?? token } : null;
      }
    }
  }

  /** null = another process has the data. */
  private async started(): Promise<Target | null> {
    const { host, findServers, say } = this.options;
    if (this.isClosed) return null;
    const { startDev } = await loadNode();
    const config = await this.options.config();
    try {
      const dev = await startDev(
        {
          // Any free port of this machine: whoever needs it finds it in the data directory.
          config: Object.freeze({ ...config, listen: { ...config.listen, host: "127.0.0.1", port: 0 } }),
          demo: false,
          findServers,
          // A log file beside the data is made anew at each start, also by one that finds the data in use.
          logToStderr: config.log.file === null,
        },
        host,
      );
      this.own = dev;
      say(`A node of this process serves at ${dev.url}, with its data in ${config.data.directory}.`);
      return { url: dev.url, token: dev.agentKey };
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === "store-in-use") return null;
      throw thrown;
    }
  }
}

interface Readiness {
  readonly waitingFor?: readonly string[];
}

/** Whether a node listens there that is not about to stop. One that waits for good policies answers calls all the same. */
function takesWork(url: string, clock: Process["clock"]): Promise<boolean> {
  return new Promise((resolve) => {
    const enough = new AbortController();
    const cancel = clock.after(probeTimeoutMs, () => enough.abort());
    const finish = (isUsable: boolean): void => {
      cancel();
      resolve(isUsable);
    };
    const probe = nodeHttp().request(`${url}/readyz`, { signal: enough.signal, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (text.length < 65_536) text += chunk;
      });
      response.on("error", () => finish(false));
      response.on("end", () => finish(isReadyEnough(text)));
    });
    probe.on("error", () => finish(false));
    probe.end();
  });
}

function isReadyEnough(text: string): boolean {
  try {
    const { waitingFor } = JSON.parse(text) as Readiness; // whatever else it is has no such list
    return (
      Array.isArray(waitingFor) && !waitingFor.includes("shutting down") && !waitingFor.includes("stopping")
    );
  } catch {
    return false;
  }
}
