import type { CancelTimer, Clock, Random } from "../../base/index.ts";
import type { Destination } from "../../telemetry/index.ts";
import { createMetrics } from "../../telemetry/index.ts";
import { collectAll } from "./collector.ts";
import type { Config } from "../config/config.ts";
import type { Environment } from "../environment.ts";
import type { Say } from "./log.ts";
import { openLog } from "./log.ts";
import type { RunningNode } from "../node/node.ts";
import type { NodeMode } from "../node/site.ts";
import { Node } from "../node/node.ts";
import { endStarting } from "./starting.ts";

/** What every way of starting a node needs of the process it runs in. */
export interface Process {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: Random;
  /** Warnings and errors for a person at the terminal; null = they go to the log alone. */
  readonly say: Say | null;
  /** The node cannot go on: the process should end. */
  readonly onFatal: (reason: string) => void;
}

export interface Launched {
  readonly running: RunningNode;
  /** Lets calls under way finish for the configured grace, ends child processes, closes the data. Safe to call twice. */
  stop(): Promise<void>;
}

/** What a log still has to write when the node has stopped. */
const logGraceMs = 1_000;

/** By then the servers are connected and the first policy is compiled; what that left behind is to be given back as well. */
const settledAfterMs = 2_000;

/** Starts a node with its log and metrics. Throws the Fault of the part that could not start; by then everything is closed again. */
export async function launch(
  mode: NodeMode,
  config: Config,
  destination: Destination,
  { environment, clock, random, say, onFatal }: Process,
): Promise<Launched> {
  const log = openLog({ config, destination, clock, say });
  const node = new Node({
    mode,
    config,
    environment,
    clock,
    random,
    log,
    metrics: createMetrics(),
    onFatal,
  });
  let cancelSettling: CancelTimer = () => {};
  const stop = async (): Promise<void> => {
    cancelSettling();
    await node.stop();
    await log.close(logGraceMs);
  };
  try {
    const running = await node.start();
    cancelSettling = clock.after(settledAfterMs, () => {
      if (running.line.callsUnderWay === 0) collectAll();
    });
    return { running, stop };
  } catch (thrown) {
    await log.close(logGraceMs);
    throw thrown;
  } finally {
    endStarting();
  }
}
