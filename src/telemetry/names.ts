/** Every name a dashboard, an alert or a log query may rely on, in one place. Prometheus: seconds and bytes as base units. */
export const metricNames = {
  calls: "signalbox_calls_total",
  refusals: "signalbox_call_codes_total",
  callSeconds: "signalbox_call_seconds",
  stationQueueSeconds: "signalbox_station_queue_seconds",
  stationWorkSeconds: "signalbox_station_work_seconds",
  resultBytes: "signalbox_result_bytes_total",
  estimatedTokens: "signalbox_result_tokens_estimated_total",
  repeats: "signalbox_calls_answered_without_dispatch_total",
  edgeRequests: "signalbox_edge_requests_total",
  edgeRefusals: "signalbox_edge_refusals_total",
  logLinesDropped: "signalbox_log_lines_dropped_total",
} as const;

/** Values read when somebody scrapes, from the room that owns them. `labels` bounds what a sample may carry. */
export const gaugeNames = {
  ledgerTailAgeSeconds: {
    name: "signalbox_ledger_tail_age_seconds",
    help: "Age of the oldest entry without a place in the log. Alert above 10.",
    labels: ["tenant"],
  },
  witnessBehindSeconds: {
    name: "signalbox_witness_behind_seconds",
    help: "How long a witness has not co-signed the newest entries of some tenant, by the node that asks it. Alert above 600.",
    labels: ["witness"],
  },
  witnessLogs: {
    name: "signalbox_witness_logs",
    help: "Tenants whose log stands so with a witness: current, down, refusing, contradicts. Alert when any contradicts.",
    labels: ["witness", "state"],
  },
  storeQueue: {
    name: "signalbox_store_queue_transactions",
    help: "Transactions waiting for a flush.",
    labels: [],
  },
  leaseAgeSeconds: {
    name: "signalbox_lease_age_seconds",
    help: "Since the store was asked for what it confirmed of this node's lease last: about 5 at most while it takes writes. Alert above 10.",
    labels: [],
  },
  storeFlushes: { name: "signalbox_store_flushes", help: "Flushes since start.", labels: [] },
  storeTransactions: {
    name: "signalbox_store_transactions",
    help: "Transactions since start.",
    labels: [],
  },
  storeFlushSeconds: {
    name: "signalbox_store_flush_seconds",
    help: "Duration of the last flush.",
    labels: [],
  },
  serverHealth: {
    name: "signalbox_server_health",
    help: "1 for the state a server is in: connecting, healthy, degraded, down.",
    labels: ["server", "state", "cause"],
  },
  toolHealth: {
    name: "signalbox_tool_health",
    help: "1 for the state a tool with a probe is in, apart from its server: healthy, degraded, down.",
    labels: ["tool", "state", "cause"],
  },
  serverInflight: {
    name: "signalbox_server_calls_in_flight",
    help: "Calls in flight to a server.",
    labels: ["server"],
  },
  edgeConnections: {
    name: "signalbox_edge_connections",
    help: "Open connections at the edge.",
    labels: [],
  },
  edgePlainConnections: {
    name: "signalbox_edge_plain_connections",
    help: "Those of them on which nothing came yet but calls that are read without an HTTP parser.",
    labels: [],
  },
  edgeInflight: {
    name: "signalbox_edge_requests_in_flight",
    help: "Requests at the edge that are not answered yet.",
    labels: [],
  },
  edgeListeners: {
    name: "signalbox_edge_listeners",
    help: "Streams and legacy sessions that are told of changes.",
    labels: [],
  },
  edgeSessions: {
    name: "signalbox_edge_legacy_sessions",
    help: "Sessions of the older protocol of which something is kept: a stream, a subscription, a log level.",
    labels: [],
  },
  callsUnderWay: {
    name: "signalbox_calls_under_way",
    help: "Calls that have arrived and have not ended yet; those parked for an answer of their caller are among them.",
    labels: [],
  },
  queueAgeSeconds: {
    name: "signalbox_queue_age_seconds",
    help: "How long the call that waits longest for room has waited; 0 when none waits.",
    labels: [],
  },
  callsWaiting: {
    name: "signalbox_calls_waiting",
    help: "Calls that wait for room at their server, for their agent or in the node.",
    labels: [],
  },
  unknownCalls: {
    name: "signalbox_calls_unknown",
    help: "Calls whose outcome is unknown and waits for a person.",
    labels: ["tenant"],
  },
  deadRuns: {
    name: "signalbox_runs_dead",
    help: "Runs that cannot go on by themselves and wait for a person, who has them retried or drops them.",
    labels: ["tenant"],
  },
  runsInReview: {
    name: "signalbox_runs_in_review",
    help: "Runs that were open when the data was brought back to an earlier state, and wait for an operator to release them.",
    labels: ["tenant"],
  },
  policyLoaded: {
    name: "signalbox_policy_loaded",
    help: "1 when the newest policy text is in force, 0 when it is broken and the last good one is.",
    labels: ["tenant"],
  },
} as const satisfies Record<string, { name: string; help: string; labels: readonly string[] }>;

export type GaugeName = keyof typeof gaugeNames;

/** Fields of a log line. `Us` is whole microseconds: integers are read and written much faster than fractions. */
export const logFields = {
  time: "time",
  level: "level",
  message: "msg",
  requestId: "requestId",
  call: "call",
  run: "run",
  step: "step",
  tool: "tool",
  argumentsHash: "argumentsHash",
  decision: "decision",
  reasons: "reasons",
  queueUs: "queueUs", // by station; one that is absent did not wait
  workUs: "workUs", // by station
  outcome: "outcome",
  isError: "isError",
  code: "code",
  resultBytes: "resultBytes",
  estimatedTokens: "estimatedTokens",
  cached: "cached",
  recalled: "recalled",
  principal: "principal",
  tenant: "tenant",
  traceparent: "traceparent",
  totalUs: "totalUs",
  error: "error",
} as const;
