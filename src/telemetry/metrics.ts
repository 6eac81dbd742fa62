import { Registry, collectDefaultMetrics } from "prom-client";
import type { CauseClass, Code } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";
import { BoundedChildren, Histogram, register } from "./accumulators.ts";
import type { CallRecord } from "./call-record.ts";
import type { GaugeName } from "./names.ts";
import { gaugeNames, metricNames } from "./names.ts";

export interface GaugeSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metrics {
  /** Everything one call adds: under 2 µs. */
  observeCall(record: CallRecord): void;
  /** An answer at the edge, by HTTP status and kind of request. */
  countEdgeRequest(face: EdgeFace, status: number): void;
  /** A request the edge refused before it became a call. */
  countEdgeRefusal(code: Code): void;
  /** `read` runs at each scrape; at most 1,000 samples are taken. A second registration for a name replaces the first. */
  gauge(name: GaugeName, read: () => readonly GaugeSample[]): void;
  /** A counter somebody else keeps (dropped log lines). */
  counter(name: "logLinesDropped", read: () => number): void;
  /** The page for `/metrics`. A gauge that throws is left out, so that one broken room does not blind the rest. */
  text(): Promise<string>;
  readonly contentType: string;
}

export type EdgeFace = "modern" | "legacy" | "steps" | "admin" | "public";

export interface MetricsOptions {
  /** How many tools get a label of their own: each costs about 25 series. The rest is "other". */
  readonly toolLabelsMax?: number;
  /** Event loop, heap and CPU of this process. Off in tests: prom-client hooks into the collector for good. */
  readonly processMetrics?: boolean;
}

const toolLabelsMaxDefault = 200;
/** Stations are ours and few; the bound only keeps a mistake from growing without end. */
const stationsMax = 32;
const samplesPerGaugeMax = 1000;

const outcomes = ["succeeded", "failed", "unknown", "refused", "open"] as const;
const causes = ["none", "tool", "caller", "policy", "overload", "dependency", "correctness"] as const;
type Cause = (typeof causes)[number];
const outcomeIndex = { succeeded: 0, failed: 1, unknown: 2, refused: 3, open: 4 } as const;
const causeIndex: Readonly<Record<Cause, number>> = {
  none: 0,
  tool: 1,
  caller: 2,
  policy: 3,
  overload: 4,
  dependency: 5,
  correctness: 6,
};

/** Why a call did not simply succeed. `tool` = it ran and said `isError`. */
function causeOf(record: Pick<CallRecord, "code" | "isError">): Cause {
  if (record.code !== null) return codes[record.code].cause satisfies CauseClass;
  return record.isError ? "tool" : "none";
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const byTool = new BoundedChildren(
    () => new Float64Array(outcomes.length * causes.length),
    options.toolLabelsMax ?? toolLabelsMaxDefault,
  );
  const byStation = new BoundedChildren(
    () => ({ queue: new Histogram(), work: new Histogram() }),
    stationsMax,
  );
  const byCode = everyCode();
  const byEdge = new BoundedChildren(() => ({ value: 0 }), 256);
  const byEdgeCode = everyCode();
  const callSeconds = new Histogram();
  const totals = { resultBytes: 0, estimatedTokens: 0, cached: 0, recalled: 0 };
  const gauges = new Map<GaugeName, () => readonly GaugeSample[]>();

  const counter = (
    name: string,
    help: string,
    samples: () => { labels: Record<string, string>; value: number }[],
  ) => register(registry, { name, help, type: "counter", samples });

  counter(metricNames.calls, "Calls by tool, outcome and cause class.", () =>
    [...byTool.entries()].flatMap(([tool, counts]) =>
      outcomes.flatMap((outcome, o) =>
        causes.flatMap((cause, c) => {
          const value = counts[o * causes.length + c] ?? 0;
          return value === 0 ? [] : [{ labels: { tool, outcome, cause }, value }];
        }),
      ),
    ),
  );
  counter(metricNames.refusals, "Calls that ended with a code, by code.", () => labelled("code", byCode));
  counter(metricNames.repeats, "Calls answered from a record or a cache.", () => [
    { labels: { how: "recalled" }, value: totals.recalled },
    { labels: { how: "cached" }, value: totals.cached },
  ]);
  counter(metricNames.resultBytes, "Bytes of results sent.", () => [
    { labels: {}, value: totals.resultBytes },
  ]);
  counter(metricNames.estimatedTokens, "Tokens of results sent, estimated as characters / 4.", () => [
    { labels: {}, value: totals.estimatedTokens },
  ]);
  counter(metricNames.edgeRequests, "Answers at the edge, by face and HTTP status.", () =>
    [...byEdge.entries()].map(([key, child]) => {
      const [face = "other", status = "other"] = key.split(" ");
      return { labels: { face, status }, value: child.value };
    }),
  );
  counter(metricNames.edgeRefusals, "Requests refused at the edge, by code.", () =>
    labelled("code", byEdgeCode),
  );
  register(registry, {
    name: metricNames.callSeconds,
    help: "From the arrival of a call to its answer.",
    type: "histogram",
    samples: () => callSeconds.samples(metricNames.callSeconds, {}),
  });
  register(registry, {
    name: metricNames.stationQueueSeconds,
    help: "Waiting in front of a station.",
    type: "histogram",
    samples: () =>
      [...byStation.entries()].flatMap(([station, times]) =>
        times.queue.samples(metricNames.stationQueueSeconds, { station }),
      ),
  });
  register(registry, {
    name: metricNames.stationWorkSeconds,
    help: "Work in a station.",
    type: "histogram",
    samples: () =>
      [...byStation.entries()].flatMap(([station, times]) =>
        times.work.samples(metricNames.stationWorkSeconds, { station }),
      ),
  });
  if (options.processMetrics ?? false) collectDefaultMetrics({ register: registry });

  return {
    observeCall(record) {
      const tool = record.tool !== null && record.isKnownTool ? record.tool : "unknown";
      const counts = byTool.of(tool);
      const at = outcomeIndex[record.outcome] * causes.length + causeIndex[causeOf(record)];
      counts[at] = (counts[at] ?? 0) + 1;
      if (record.code !== null) byCode.of(record.code).value++;
      callSeconds.observeMs(record.totalMs);
      const { names, queueMs, workMs } = record.stations;
      for (let i = 0; i < names.length; i++) {
        const times = byStation.of(names[i] as string);
        times.queue.observeMs(queueMs[i] ?? 0);
        times.work.observeMs(workMs[i] ?? 0);
      }
      totals.resultBytes += record.resultBytes;
      totals.estimatedTokens += record.estimatedTokens;
      if (record.cached) totals.cached++;
      if (record.recalled) totals.recalled++;
    },
    countEdgeRequest(face, status) {
      byEdge.of(`${face} ${status}`).value++;
    },
    countEdgeRefusal(code) {
      byEdgeCode.of(code).value++;
    },
    gauge(name, read) {
      const row = gaugeNames[name];
      const isNew = !gauges.has(name);
      gauges.set(name, read);
      if (!isNew) return;
      register(registry, {
        name: row.name,
        help: row.help,
        type: "gauge",
        samples: () => gaugeSamples(gauges.get(name) ?? read, row.labels),
      });
    },
    counter(name, read) {
      counter(metricNames[name], "Log lines dropped because the sink did not take them.", () => [
        { labels: {}, value: read() },
      ]);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** From 0 on: Prometheus takes what a series begins with for old, so the first time that something happened would be nobody's alert. */
function everyCode(): BoundedChildren<{ value: number }> {
  const names = Object.keys(codes);
  const children = new BoundedChildren(() => ({ value: 0 }), names.length);
  for (const name of names) children.of(name);
  return children;
}

function labelled(label: string, children: BoundedChildren<{ value: number }>) {
  return [...children.entries()].map(([key, child]) => ({ labels: { [label]: key }, value: child.value }));
}

function gaugeSamples(read: () => readonly GaugeSample[], allowed: readonly string[]) {
  let samples: readonly GaugeSample[];
  try {
    samples = read();
  } catch {
    // The rest of the page matters more at this moment; a gauge that is absent raises its own alert.
    return [];
  }
  return samples.slice(0, samplesPerGaugeMax).map(({ labels, value }) => ({
    labels: Object.fromEntries(allowed.map((label) => [label, labels[label] ?? ""])),
    value,
  }));
}
