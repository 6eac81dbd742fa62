import { join } from "node:path";
import type { TenantId } from "../../identity/index.ts";
import type { Health } from "../../registry/index.ts";
import type { Config } from "../config/config.ts";
import { isLoopback } from "../config/production.ts";
import { connectionFileIn } from "./connection-file.ts";
import { demoServers } from "./dev-demo.ts";
import { devAgentKey, leaveConnection } from "./dev-keys.ts";
import { putDemoServers, takeFoundServers } from "./dev-servers.ts";
import { importServers } from "../import/import.ts";
import { freshLogFile } from "./log.ts";
import type { Launched, Process } from "./launch.ts";
import { launch } from "./launch.ts";
import type { RunningNode } from "../node/node.ts";

export interface DevOptions {
  readonly config: Config;
  /** The three reference servers instead of what clients of this machine use. */
  readonly demo: boolean;
  /** Whether to look into the files of the usual clients. */
  readonly findServers: boolean;
  /** The node's log on stderr instead of in a file. */
  readonly logToStderr: boolean;
}

export interface DevServer {
  readonly name: string;
  readonly state: Health["state"] | "disabled";
  /** Why it does not work; null = it does, or nobody knows yet. */
  readonly reason: string | null;
  /** Those that can be called. */
  readonly tools: number;
}

export interface DevNode extends Launched {
  readonly url: string;
  readonly agentKey: string | null; // null = the agent "dev" is disabled
  readonly connectionFile: string;
  readonly logFile: string | null; // null = standard error
  /** Names of servers that were found in clients' files and registered now. */
  readonly imported: readonly string[];
  /** For a person: who else reaches the node; what moved into the vault, what was left out and why. */
  readonly notes: readonly string[];
  /** Waits until no server is connecting any more, at most this long. */
  servers(waitMs: number): Promise<readonly DevServer[]>;
}

/** A comfortable node: servers found by themselves, one agent with a key that stays the same, and the command line ready. */
export async function startDev(options: DevOptions, host: Process): Promise<DevNode> {
  const { config } = options;
  const logFile = options.logToStderr
    ? null
    : (config.log.file ?? join(config.data.directory, "signalbox.log"));
  const destination = logFile === null ? { kind: "stderr" as const } : freshLogFile(logFile);
  const demo = options.demo ? demoServers(config.data.directory) : [];
  const launched = await launch("dev", config, destination, logFile === null ? { ...host, say: null } : host);
  const { running } = launched;
  try {
    const agentKey = await devAgentKey(running, config);
    await leaveConnection(running, config);
    await putDemoServers(running, config.tenant, demo);
    const looks = options.findServers && !options.demo;
    const found = looks ? await importServers(host.environment, null, running.url) : null;
    const imported = found === null ? [] : await takeFoundServers(running, config, found);
    return {
      ...launched,
      url: running.url,
      agentKey,
      connectionFile: connectionFileIn(config.data.directory),
      logFile,
      imported,
      notes: [...openNotes(config), ...(imported.length > 0 && found !== null ? found.notes : [])],
      servers: async (waitMs) => {
        await settled(running, config, waitMs, host);
        return serversOf(running, config.tenant);
      },
    };
  } catch (thrown) {
    await launched.stop();
    throw thrown;
  }
}

function openNotes({ listen: { host } }: Config): readonly string[] {
  if (isLoopback(host)) return [];
  return [
    `Listens on ${host}: others on the network reach it, and nothing between them and it is encrypted. A name that they use for this machine has to be in listen.allowedHosts.`,
  ];
}

function serversOf({ registry }: Pick<RunningNode, "registry">, tenant: TenantId): readonly DevServer[] {
  const tools = Map.groupBy(registry.callableToolsOf(tenant), (tool) => tool.server.id);
  return registry.serversOf(tenant).map(({ id, name, enabled }) => {
    const health = registry.serverHealth(id);
    return {
      name,
      state: enabled ? health.state : "disabled",
      reason: enabled && "reason" in health ? health.reason : null,
      tools: tools.get(id)?.length ?? 0,
    };
  });
}

/** Resolves when every enabled server has said what it offers or why it does not work, or the time is up. */
function settled(
  { registry }: RunningNode,
  { tenant }: Config,
  waitMs: number,
  { clock }: Process,
): Promise<void> {
  const isSettled = (): boolean =>
    serversOf({ registry }, tenant).every(({ state, tools }) =>
      state === "healthy" ? tools > 0 : state !== "connecting",
    );
  if (isSettled()) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      stopHealth();
      stopChange();
      cancel();
      resolve();
    };
    const look = (): void => {
      if (isSettled()) finish();
    };
    const stopHealth = registry.onHealth(look);
    const stopChange = registry.onChange(look);
    const cancel = clock.after(waitMs, finish);
  });
}
