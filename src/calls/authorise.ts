import type { Decision, RunContext } from "../policy/index.ts";
import { isOwnTool, probeOf } from "../registry/index.ts";
import type { Subject, Tool } from "../registry/index.ts";
import { askMisfit } from "./answer-ask.ts";
import { isByNode } from "./call.ts";
import type { House } from "./house.ts";
import type { Authorised, Planned } from "./stages.ts";
import type { Station, Stop } from "./station.ts";
import { refused } from "./station.ts";
import { asPolicySees } from "./subject.ts";

/**
 * Do the arguments fit the pinned schema, and does policy allow the call with them? The schema comes first because policy reads
 * the arguments with the schema's types. It stands after `recall` so that a new pin never breaks the replay of an old step.
 */
export const authorise: Station<Planned, Authorised> = {
  name: "authorise",
  visit(call, house) {
    const misfit = argumentsMisfit(call, house);
    if (misfit !== null) return misfit;
    const { principal, subject, input } = call;
    // Its class may have changed since it was due, also while it waited for a place.
    if (input.isProbe === true && !isToProbe(subject))
      return refused({ code: "denied", detail: `${subject.exposedName} is not to be probed` });
    const { action, resource } = asPolicySees(subject, input.method);
    const args = subject.kind === "tool" ? { args: call.arguments } : {};
    const decision = house.policies
      .current(principal.tenant)
      .decide({ principal, action, resource, context: { ...args, ...runContext(call) } });
    const authorised = Object.assign(call, { decision });
    if (decision.effect !== "deny") return authorised;
    if (isByNode(input) && isUnsaid(decision))
      return Object.assign(call, { decision: { ...decision, effect: "allow" } as const });
    return refused({
      code: "denied",
      detail: decision.why,
      evidence: { policies: decision.reasons.map((policy) => policy.id), errors: decision.errors },
    });
  },
};

/**
 * Whoever has made a tool `verifiable` has said that the node may ask its verify tool, and whoever has given a tool a probe that it may
 * call it so. That needs no permit of its own. A policy that forbids it is obeyed.
 */
const isUnsaid = ({ reasons, errors }: Decision): boolean => reasons.length === 0 && errors.length === 0;

const isToProbe = (subject: Subject): boolean => subject.kind === "tool" && probeOf(subject.class) !== null;

/** Labels and declared tools have no source yet, so a policy sees none. */
function runContext({ run }: Planned): { run?: RunContext } {
  if (run === null) return {};
  return { run: { name: run.record.name, owner: run.record.owner, labels: [], tools: null } };
}

function argumentsMisfit(call: Planned, house: House): Stop | null {
  const { subject } = call;
  switch (subject.kind) {
    case "tool":
      return toolMisfit(subject, call, house);
    case "prompt":
      return call.input.method === "prompts/get" ? promptMisfit(call) : null;
    case "resource":
      return null;
  }
}

function toolMisfit(tool: Tool, call: Planned, house: House): Stop | null {
  const validator = house.validators.of(tool.pin, "input", tool.definition.inputSchema);
  if (typeof validator === "string") {
    return refused({
      code: "tool-unavailable",
      detail: `the input schema of ${tool.exposedName} cannot be used: ${validator}`,
      evidence: { cause: "correctness" },
    });
  }
  const problem = validator(call.arguments) ?? (isOwnTool(tool.id) ? askMisfit(call) : null);
  return problem === null ? null : refused({ code: "invalid-arguments", detail: problem });
}

/** Arguments of prompts are texts (MCP 2026-07-28, server/prompts). */
function promptMisfit(call: Planned): Stop | null {
  const wrong = Object.keys(call.input.arguments).find(
    (name) => typeof call.input.arguments[name] !== "string",
  );
  if (wrong === undefined) return null;
  return refused({ code: "invalid-params", detail: `argument ${JSON.stringify(wrong)} must be a string` });
}
