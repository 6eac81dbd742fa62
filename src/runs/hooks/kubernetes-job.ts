import { sha256Hex } from "../../base/index.ts";
import type { StartOrder } from "../hook.ts";
import { orderVariables } from "../hook.ts";

/** A `batch/v1` Job as an operator writes it, checked by `jobProblem`. */
export type JobTemplate = Readonly<Record<string, unknown>>;

/** A Job takes a kilobyte or two; what is larger carries something that belongs into a ConfigMap. */
const templateBytesMax = 64 * 1_024;
/** With a run's id, the start and the digest, a name stays below the 63 characters that a label may have. */
const prefixPattern = /^[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?$/;
const prefixDefault = "signalbox";
/** A finished Job is of use to whoever looks at its log. Where the template says nothing. */
const keptForSeconds = 3_600;

/** What no Job can be made of; null = it can. Kubernetes checks the rest with every start. */
export function jobProblem(template: JobTemplate): string | null {
  if (Buffer.byteLength(JSON.stringify(template)) > templateBytesMax)
    return `is larger than ${templateBytesMax} bytes`;
  const { apiVersion = "batch/v1", kind = "Job", metadata = {}, spec } = template;
  if (apiVersion !== "batch/v1" || kind !== "Job") return "is no Job of batch/v1";
  if (!isRecord(metadata) || "generateName" in metadata) return "has metadata that no name can be put into";
  const { name = prefixDefault } = metadata;
  if (typeof name !== "string" || !prefixPattern.test(name))
    return "has a metadata.name that is no beginning of names: at most 16 of a-z, 0-9 and hyphens";
  const containers = containersOf(spec);
  if (containers === null || containers.length === 0) return "has no spec.template.spec.containers";
  return null;
}

/**
 * The Job of one start. Its name is made from the run and from this very start, so the same start asked for twice is one Job: a number alone would not
 * do, because starts are counted anew whenever the agent gets on. Every container is told its run in its environment. Starting again is ours,
 * so where the template says nothing, Kubernetes does not.
 */
export function jobOf(template: JobTemplate, order: StartOrder, namespace: string): JobTemplate {
  const metadata = isRecord(template["metadata"]) ? template["metadata"] : {};
  const prefix = typeof metadata["name"] === "string" ? metadata["name"] : prefixDefault;
  const spec = isRecord(template["spec"]) ? template["spec"] : {};
  const pod = isRecord(spec["template"]) ? spec["template"] : {};
  const podSpec = isRecord(pod["spec"]) ? pod["spec"] : {};
  const env = Object.entries(orderVariables(order)).map(([name, value]) => ({ name, value }));
  const labels = { "signalbox.dev/run": order.run };
  const marked = (of: unknown) => {
    const given = isRecord(of) ? of : {};
    return { ...given, labels: { ...(isRecord(given["labels"]) ? given["labels"] : {}), ...labels } };
  };
  return {
    ...template,
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { ...marked(metadata), name: jobName(prefix, order), namespace },
    spec: {
      backoffLimit: 0,
      ttlSecondsAfterFinished: keptForSeconds,
      ...spec,
      template: {
        ...pod,
        metadata: marked(pod["metadata"]),
        spec: {
          restartPolicy: "Never",
          ...podSpec,
          containers: (containersOf(spec) ?? []).map((container) => withEnv(container, env)),
        },
      },
    },
  };
}

const jobName = (prefix: string, { run, start, id }: StartOrder): string =>
  `${prefix}-${run.slice(run.indexOf("_") + 1)}-${start}-${sha256Hex(id).slice(0, 8)}`;

/** Ours first, so that what follows can refer to them as $(SIGNALBOX_RUN). */
function withEnv(
  container: Readonly<Record<string, unknown>>,
  env: readonly { readonly name: string }[],
): Readonly<Record<string, unknown>> {
  const own = Array.isArray(container["env"]) ? (container["env"] as unknown[]) : [];
  const names = new Set<unknown>(env.map(({ name }) => name));
  const others = own.filter((each) => !(isRecord(each) && names.has(each["name"])));
  return { ...container, env: [...env, ...others] };
}

function containersOf(spec: unknown): readonly Readonly<Record<string, unknown>>[] | null {
  const pod = isRecord(spec) ? spec["template"] : null;
  const podSpec = isRecord(pod) ? pod["spec"] : null;
  const containers = isRecord(podSpec) ? podSpec["containers"] : null;
  return Array.isArray(containers) && containers.every(isRecord) ? containers : null;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
