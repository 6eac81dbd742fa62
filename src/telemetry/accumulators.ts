import type { Registry } from "prom-client";

/**
 * Counters and histograms that cost a few nanoseconds per observation. prom-client hashes an object of labels for every
 * observation, about a microsecond each; a call makes some twenty of them. These keep plain numbers and hand them to
 * prom-client's registry when somebody scrapes.
 */
export type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName?: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

/** Upper bounds in seconds: from a cached decision (50 µs) to a slow tool (a minute). */
const boundsSeconds = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60,
] as const;
const boundsMs = Float64Array.from(boundsSeconds, (seconds) => seconds * 1000);

/** One line of a histogram. `observeMs` is the hot path. */
export class Histogram {
  private readonly counts = new Float64Array(boundsMs.length + 1);
  private sumMs = 0;

  observeMs(ms: number): void {
    // NaN or a negative duration would poison the sum for ever; a clock that went wrong counts as zero.
    const value = ms > 0 ? ms : 0;
    let i = 0;
    while (i < boundsMs.length && value > (boundsMs[i] ?? 0)) i++;
    this.counts[i] = (this.counts[i] ?? 0) + 1;
    this.sumMs += value;
  }

  /** Cumulative, as Prometheus wants it. */
  samples(name: string, labels: Labels): Sample[] {
    const out: Sample[] = [];
    let total = 0;
    for (let i = 0; i < boundsMs.length; i++) {
      total += this.counts[i] ?? 0;
      out.push({
        metricName: `${name}_bucket`,
        labels: { ...labels, le: boundsSeconds[i] ?? 0 },
        value: total,
      });
    }
    total += this.counts[boundsMs.length] ?? 0;
    out.push({ metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: total });
    out.push({ metricName: `${name}_sum`, labels: { ...labels }, value: this.sumMs / 1000 });
    out.push({ metricName: `${name}_count`, labels: { ...labels }, value: total });
    return out;
  }
}

/** Children by label value, never more than `max`; what comes later shares the child "other". */
export class BoundedChildren<T> {
  private readonly children = new Map<string, T>();
  private readonly make: () => T;
  private readonly max: number;

  constructor(make: () => T, max: number) {
    this.make = make;
    this.max = max;
  }

  of(key: string): T {
    const known = this.children.get(key);
    if (known !== undefined) return known;
    const name = this.children.size >= this.max ? "other" : key;
    const existing = this.children.get(name);
    if (existing !== undefined) return existing;
    const child = this.make();
    this.children.set(name, child);
    return child;
  }

  entries(): IterableIterator<[string, T]> {
    return this.children.entries();
  }
}

/**
 * Puts something into the registry that is read at scrape time. The registry's type wants one of prom-client's own classes, but
 * it only ever asks a metric for `name` and `get()` (prom-client 15, lib/registry.js), which a test of ours holds.
 */
export function register(
  registry: Registry,
  metric: {
    readonly name: string;
    readonly help: string;
    readonly type: "counter" | "histogram" | "gauge";
    readonly samples: () => Sample[];
  },
): void {
  const { name, help, type, samples } = metric;
  const source = {
    name,
    help,
    type,
    get: () => Promise.resolve({ name, help, type, values: samples(), aggregator: "sum" }),
  };
  registry.registerMetric(source as unknown as Parameters<Registry["registerMetric"]>[0]);
}
