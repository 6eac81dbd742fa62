import { gaugeNames, metricNames } from "../../src/telemetry/names.ts";

/** Prometheus' own, and what `histogram` metrics are served as. */
const alwaysThere: ReadonlySet<string> = new Set(["up"]);
const served: ReadonlySet<string> = new Set([
  ...Object.values(metricNames),
  ...Object.values(gaugeNames).map(({ name }) => name),
  ...[metricNames.callSeconds, metricNames.stationQueueSeconds, metricNames.stationWorkSeconds].map(
    (name) => `${name}_bucket`,
  ),
]);
const labelsOf = new Map<string, readonly string[]>(
  Object.values(gaugeNames).map(({ name, labels }) => [name, labels]),
);

/** The metrics and the labels in selectors of an expression that no node serves. */
export function unknownIn(expression: string): readonly string[] {
  const names = [...expression.matchAll(/\b(up|signalbox_[a-z_]+)\b(?:\{([^}]*)\})?/g)];
  if (names.length === 0) return [`no metric in ${expression}`];
  return names.flatMap(([, name = "", selectors = ""]) => {
    if (!served.has(name) && !alwaysThere.has(name)) return [name];
    const labels = labelsOf.get(name);
    return labels === undefined
      ? []
      : [...selectors.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].flatMap(([, label = ""]) =>
          labels.includes(label) ? [] : [`${name}{${label}}`],
        );
  });
}
