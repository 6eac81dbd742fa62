import { namePatternText } from "../../identity/index.ts";
import { callsMaxMax, limitDefaults, limitedAgentsMax } from "../../registry/index.ts";
import type { Schema } from "./schema-terms.ts";
import { bytes, count, duration, section } from "./schema-terms.ts";

const callsMax = (description: string, value?: number): Schema => ({
  type: "integer",
  description,
  ...(value === undefined ? {} : { default: value }),
  minimum: 1,
  maximum: callsMaxMax,
  "x-unit": "calls",
});

/** Of the node, which fit its machine, and of its tenant's callers, which are the same on all nodes. */
export const limitsSchema: Schema = section(
  "Bounds that keep one caller, or all of them, from exhausting the node. `perPrincipalCallsMax`, `tenantCallsMax` and `agents` are about the tenant's callers and hold on all nodes of one store: where this file gives one of them, all three are the file's; else `signalbox limits set` changes them while nodes run. The others are this node's own.",
  {
    callsInFlightMax: count(
      "Calls being worked on at once, in the whole node.",
      "About a tenth of a second of work at the throughput measured on two cores.",
      "calls",
      1,
      100_000,
      1_000,
    ),
    bodyBytesMax: bytes(
      "The largest request body that is read.",
      "Forty times the largest arguments seen in the field; parsing more would stall other callers.",
      "1KiB",
      "64MiB",
      "4MiB",
    ),
    connectionsMax: count(
      "Client connections at once.",
      "10,000 idle connections cost about 100 MB.",
      "connections",
      1,
      100_000,
      10_000,
    ),
    processesMax: count(
      "Server processes that may run at once.",
      "At about 100 MB each, 64 of them fill a small machine.",
      "processes",
      0,
      10_000,
      64,
    ),
    shutdownGrace: duration(
      "How long calls in flight may take to finish when the node is told to stop.",
      "Open requests may take this long, then calls nobody listens to as long again: whoever kills has to wait for twice this and ten seconds more.",
      "0s",
      "1h",
      "20s",
    ),
    perPrincipalCallsMax: {
      ...callsMax(
        "Calls that each agent, person or service may have under way at once, on each node.",
        limitDefaults.perPrincipalCallsMax,
      ),
      "x-reason": "No single agent may hold more than a tenth of the node.",
    },
    tenantCallsMax: {
      ...callsMax(
        "Calls that all of the tenant's principals together may have under way at once, on each node.",
      ),
      "x-reason": "Left out, they may take all that the node bears. Each tenant sets it for itself.",
    },
    agents: {
      type: "object",
      default: {},
      maxProperties: limitedAgentsMax,
      propertyNames: { pattern: namePatternText },
      additionalProperties: callsMax("Calls that this agent may have under way at once, on each node."),
      description: "Agents with a limit of their own, by name.",
      "x-unit": "agent to calls",
      "x-reason": "One that is out of hand, or one that many people stand behind.",
    },
  },
);
