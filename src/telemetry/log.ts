import pino from "pino";
import type { Clock } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import { cleanText, redactFields } from "./redact.ts";
import type { Destination, Line, SinkStats } from "./sink.ts";
import { Sink } from "./sink.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
export type LogFields = Readonly<Record<string, unknown>>;
export type LogStats = SinkStats;

/** Structured JSON, one line per event. Messages are constant sentences; what varies goes into `fields`. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with `fields` on every line. */
  child(fields: LogFields): Log;
  /** Takes a whole line that is clean JSON and ends with a line feed, or what makes it and cannot throw; for `recordCall` alone. Level: info. */
  line(line: Line): void;
  readonly isInfoOn: boolean;
  stats(): LogStats;
  /** Writes what waits, for at most `graceMs`. Lines logged afterwards are counted as dropped. */
  close(graceMs: number): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly destination: Destination;
  readonly clock: Clock;
  /** Bytes that may wait for a slow sink: at 500 bytes a line, sixteen thousand lines. */
  readonly bytesMax?: number;
}

const bytesMaxDefault = 8 * 1024 * 1024;

export function createLog(options: LogOptions): Log {
  const sink = new Sink({
    destination: options.destination,
    clock: options.clock,
    bytesMax: options.bytesMax ?? bytesMaxDefault,
  });
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":${Math.trunc(msOf(options.clock.wall()))}`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors arrive already taken apart by redactFields.
      serializers: {},
    },
    sink,
  );
  return wrap(logger, sink);
}

function wrap(logger: pino.Logger, sink: Sink): Log {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields?: LogFields): void => {
      // Cleaning costs more than the level test, so the test comes first.
      if (!logger.isLevelEnabled(level)) return;
      if (fields === undefined) logger[level](cleanText(message));
      else logger[level](redactFields(fields), cleanText(message));
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(redactFields(fields)), sink),
    line: (line) => sink.write(line),
    isInfoOn: logger.isLevelEnabled("info"),
    stats: () => sink.stats(),
    close: (graceMs) => sink.close(graceMs),
  };
}
