import { existsSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock, MonotonicMs } from "../../base/index.ts";
import { elapsedMs, Fault, makeDirectories } from "../../base/index.ts";
import type { Destination, Log, LogFields } from "../../telemetry/index.ts";
import { createLog, redactFields } from "../../telemetry/index.ts";
import type { Config } from "../config/config.ts";

/** A warning or an error of the node as a sentence, for a person at the terminal. Without secrets, not yet clean of controls. */
export type Say = (kind: "warning" | "error", sentence: string) => void;

/** The node's log; with `say`, warnings and errors are said as well. */
export function openLog(options: {
  readonly config: Config;
  readonly destination: Destination;
  readonly clock: Clock;
  readonly say: Say | null;
}): Log {
  const { config, destination, clock, say } = options;
  const log = createLog({ level: config.log.level, destination, clock });
  return say === null ? log : loud(log, seldom(say, clock));
}

/** A fresh file for a fresh start; the one before is kept beside it. Nothing else is made before it, so a directory that cannot be is found here. */
export function freshLogFile(file: string): Destination {
  try {
    makeDirectories(dirname(file), 0o700);
    if (existsSync(file)) renameSync(file, `${file}.1`);
  } catch (thrown) {
    throw new Fault("store-unavailable", `${dirname(file)} cannot be used`, {
      effect: "none",
      cause: thrown,
    });
  }
  return { kind: "file", path: file };
}

/** A server that is down is tried again and again; a person need not read each time that it still is. */
const againMs = 10 * 60_000;
const rememberedMax = 200;

function seldom(say: Say, clock: Clock): Say {
  const saidAt = new Map<string, MonotonicMs>();
  return (kind, text) => {
    const now = clock.monotonic();
    const before = saidAt.get(text);
    if (before !== undefined && elapsedMs(now, before) < againMs) return;
    if (saidAt.size >= rememberedMax) saidAt.clear();
    saidAt.set(text, now);
    say(kind, text);
  };
}

function loud(log: Log, say: Say): Log {
  return {
    ...log,
    // A getter would be read once by the spread.
    isInfoOn: log.isInfoOn,
    warn: (message, fields) => {
      log.warn(message, fields);
      say("warning", sentence(message, fields));
    },
    error: (message, fields) => {
      log.error(message, fields);
      say("error", sentence(message, fields));
    },
    child: (fields) => loud(log.child(fields), say),
  };
}

/** Longer lists belong into the log. */
const detailsCharactersMax = 600;

function sentence(message: string, fields: LogFields = {}): string {
  const details = Object.entries(redactFields(fields))
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
  return details === "" ? message : `${message} (${details.slice(0, detailsCharactersMax)})`;
}
