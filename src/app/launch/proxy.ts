import { resolve } from "node:path";
import { canonicalDigest, sha256Hex } from "../../base/index.ts";
import type { ServerInput } from "../../registry/index.ts";
import { defaultConfig } from "../config/config.ts";
import { leaveConnection } from "./dev-keys.ts";
import type { Launched, Process } from "./launch.ts";
import { launch } from "./launch.ts";

export interface ProxyOptions {
  readonly upstreamUrl: string;
  readonly port: number;
  /** null = `.signalbox/proxy` of the working directory. */
  readonly data: string | null;
}

/** One upstream under its own tool names, on loopback, without a token. Everything is allowed and on record. */
export async function startProxy(options: ProxyOptions, host: Process): Promise<Launched> {
  const { workingDirectory } = host.environment;
  const data = resolve(workingDirectory, options.data ?? ".signalbox/proxy");
  // Another address is another server: what it offers is no changed definition of what the last one did.
  const name = `upstream-${sha256Hex(options.upstreamUrl).slice(0, 8)}`;
  const servers: readonly ServerInput[] = [
    { name, transport: { kind: "http", url: options.upstreamUrl, headers: {} } },
  ];
  const defaults = defaultConfig(resolve(workingDirectory, "signalbox.yaml"));
  const config = Object.freeze({
    ...defaults,
    data: { directory: data },
    listen: { ...defaults.listen, host: "127.0.0.1", port: options.port },
    servers,
    serversDigest: canonicalDigest(servers),
    log: { level: "warn" as const, file: null },
  });
  const launched = await launch("proxy", config, { kind: "stderr" }, host);
  try {
    await leaveConnection(launched.running, config);
    return launched;
  } catch (thrown) {
    await launched.stop();
    throw thrown;
  }
}
