import type { Clock, Random } from "../../base/index.ts";
import { explain } from "../../base/index.ts";
import type { Log, Metrics } from "../../telemetry/index.ts";
import type { UpstreamLimits } from "../../upstream/index.ts";
import type { Config } from "../config/config.ts";
import type { Environment } from "../environment.ts";
import { Shutdown } from "./shutdown.ts";

/**
 *  dev    comfortable: everyone with a token may use every tool until policies are written
 *  serve  deny by default
 *  proxy  one upstream under its own tool names, no token, everything allowed and still on record
 */
export type NodeMode = "dev" | "serve" | "proxy";

export interface NodeOptions {
  readonly mode: NodeMode;
  readonly config: Config;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The node cannot go on (its lease moved): the process should end. */
  readonly onFatal: (reason: string) => void;
  /** How upstream connections behave; for tests that cannot wait a minute for a new listing. */
  readonly upstreamLimits?: Partial<UpstreamLimits>;
}

/** What every part of a node is opened with, and where it leaves how it is closed again. */
export class Site {
  readonly options: NodeOptions;
  readonly shutdown = new Shutdown();
  /** Where this node is reached; null until it listens. Links have it in them that are made earlier and read later. */
  ownUrl: () => string | null = () => null;

  constructor(options: NodeOptions) {
    this.options = options;
  }

  readonly onTrouble = (doing: string, thrown: unknown): void =>
    this.options.log.error("trouble", { doing, reason: explain(thrown) });

  readonly onForgotten = (): void =>
    this.options.onFatal("the database has forgotten changes of configuration that this node has followed");

  /** Starts a part that has to be stopped, also when its start fails halfway. */
  async open(doing: string, part: { start(): unknown; stop(): unknown }): Promise<void> {
    this.shutdown.add(`closing ${doing}`, () => part.stop());
    await part.start();
  }
}
