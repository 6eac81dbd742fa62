import type { Schema } from "./schema-terms.ts";
import { path } from "./schema-terms.ts";

const inCluster = "Left out, what Kubernetes gives the pod that the node runs in.";

/** `hooks.<name>.kubernetes` */
export const kubernetesSchema: Schema = {
  type: "object",
  description:
    "Starts the agent as a Job of a Kubernetes cluster: a service account that may create Jobs in the namespace is all it needs.",
  additionalProperties: false,
  oneOf: [{ required: ["job"] }, { required: ["jobFile"] }],
  dependentRequired: { token: ["server"], tokenFile: ["server"], caFile: ["server"], server: ["namespace"] },
  not: { required: ["token", "tokenFile"] },
  properties: {
    server: {
      type: "string",
      minLength: 1,
      maxLength: 1_024,
      pattern: "^https://[^/?#@]+/?$",
      description: "The API server of the cluster.",
      "x-unit": "URL without a path, https",
      "x-reason": inCluster,
    },
    namespace: {
      type: "string",
      pattern: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
      maxLength: 63,
      description: "The namespace that Jobs are created in.",
      "x-unit": "name of a namespace",
      "x-reason": inCluster,
    },
    job: {
      type: "object",
      additionalProperties: true,
      maxProperties: 64,
      description:
        "The Job, as `kubectl` takes it. Its `metadata.name` is the beginning of the names of Jobs. Every container gets `SIGNALBOX_RUN`, `SIGNALBOX_RUN_ID`, `SIGNALBOX_ATTEMPT` and `SIGNALBOX_START`; what is secret comes by `secretKeyRef` from a Secret of the cluster.",
      "x-unit": "a batch/v1 Job, as YAML",
      "x-reason":
        "Anybody who may read Jobs reads what stands in one, so nothing of the vault is put into it. `backoffLimit` is 0 and `restartPolicy` `Never` where nothing else is said: starting again is the hook's.",
    },
    jobFile: path(
      "A file with the Job, YAML or JSON, in place of `job`.",
      "It is read when the node starts.",
    ),
    token: {
      type: "string",
      maxLength: 16_384,
      "x-secret": true,
      description: "The service account's token; `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "For a node outside of the cluster.",
    },
    tokenFile: path("A file with that token, read anew with every start.", inCluster),
    caFile: path(
      "A file with the certificates (PEM) that the API server's is signed with.",
      `${inCluster} With \`server\` alone, the authorities that Node trusts.`,
    ),
  },
};
