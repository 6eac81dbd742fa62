/**
 * telemetry: the names of metrics and log fields; structured logs; metrics in Prometheus form; the record of a call;
 * redaction. It decides nothing: what it is told it writes down, with secrets removed.
 *
 * Identities: the metric and field names in `names.ts`, which dashboards rely on.
 * Bounds: log text per value and per line, bytes waiting for a slow sink (then lines are dropped and counted), tool labels
 * (then "other"), samples per gauge.
 * Errors: none towards its callers. A sink that fails or blocks costs lines, never a call; `log.stats()` says how many.
 * Signals: `/metrics` text by `metrics.text()`, log lines to stderr or a file.
 */
export type { CallRecord, StationTimes } from "./call-record.ts";
export { createLog } from "./log.ts";
export type { Log, LogFields, LogLevel, LogOptions, LogStats } from "./log.ts";
export type { Destination } from "./sink.ts";
export { createMetrics } from "./metrics.ts";
export type { EdgeFace, GaugeSample, Metrics, MetricsOptions } from "./metrics.ts";
export type { GaugeName } from "./names.ts";
export { createRecordCall } from "./record-call.ts";
export { redactFields } from "./redact.ts";
