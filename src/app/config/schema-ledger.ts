import type { Schema } from "./schema-terms.ts";
import { count, section } from "./schema-terms.ts";

const witnessSchema: Schema = {
  type: "object",
  description: "A witness: somebody else's program that co-signs how the log grows (C2SP tlog-witness).",
  additionalProperties: false,
  required: ["name", "url", "key"],
  properties: {
    name: {
      type: "string",
      pattern: "^[a-z0-9](?:-?[a-z0-9])*$",
      maxLength: 63,
      description: "What alerts, metrics and logs call it.",
      "x-unit": "up to 63 of a-z 0-9 -",
      "x-reason": "The name of its key is its own, and may be a long one.",
    },
    url: {
      type: "string",
      minLength: 1,
      maxLength: 2_048,
      description: "Its submission prefix: checkpoints are posted to `<url>/add-checkpoint`.",
      "x-unit": "URL",
      "x-reason":
        "It is logged, so nothing secret belongs in it; what it answers counts only by its signature.",
    },
    key: {
      type: "string",
      minLength: 1,
      maxLength: 1_024,
      description: "Its public key, as a verifier key of type 0x04 (Ed25519 co-signatures).",
      "x-unit": "<name>+<key id>+<base64>",
      "x-reason":
        "From its operator, by a way that you trust: whoever answers at the address proves nothing by that.",
    },
  },
};

export const ledgerSchema: Schema = section("Who watches the ledger from outside.", {
  witnesses: {
    type: "array",
    items: witnessSchema,
    maxItems: 16,
    default: [],
    description:
      "Witnesses that co-sign every tenant's newest checkpoint. One that has seen a log that this one does not continue refuses, and that is an alert. Calls never wait for them.",
    "x-unit": "witnesses",
    "x-reason":
      "Whoever holds the data and its keys can write another history, and only somebody outside remembers the first.",
  },
  witnessQuorum: count(
    "Of how many witnesses a witnessed receipt has the word.",
    "One that is not yours is enough to notice a second history; more than one need not be trusted alone.",
    "witnesses",
    1,
    16,
    1,
  ),
});
