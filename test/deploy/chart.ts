import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import type { Data } from "./go-template.ts";
import { renderTemplates } from "./go-template.ts";

export const chartDirectory = join(import.meta.dirname, "../../deploy/helm/signalbox");

const read = (file: string): string => readFileSync(join(chartDirectory, file), "utf8");

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [key: string]: unknown;
}

export const chart = parse(read("Chart.yaml")) as Data & {
  name: string;
  version: string;
  appVersion: string;
};
export const defaultValues = parse(read("values.yaml")) as Data;

/** As `helm template box deploy/helm/signalbox --set …` makes them, without NOTES.txt. */
export function renderChart(values: Data = {}): readonly Manifest[] {
  return [...rendered(values)]
    .filter(([name]) => name.endsWith(".yaml"))
    .flatMap(([name, text]) => {
      const documents = parseAllDocuments(text, { uniqueKeys: true });
      return documents.flatMap((document) => {
        if (document.errors.length > 0) throw new Error(`${name}: ${String(document.errors[0])}\n${text}`);
        const manifest = document.toJS() as Manifest | null;
        return manifest === null ? [] : [manifest];
      });
    });
}

export const renderNotes = (values: Data = {}): string => rendered(values).get("NOTES.txt") ?? "";

function rendered(values: Data): ReadonlyMap<string, string> {
  const files = new Map(
    readdirSync(join(chartDirectory, "templates")).map((name) => [name, read(`templates/${name}`)]),
  );
  return renderTemplates(files, {
    Values: merged(defaultValues, values),
    Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
    Release: { Name: "box", Namespace: "agents", Service: "Helm" },
  });
}

/** As Helm does: maps are merged, everything else is replaced. */
function merged(base: Data, over: Data): Data {
  const isMap = (value: unknown): value is Data =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isMap(value) && isMap(below) ? merged(below, value) : value;
  }
  return result;
}
