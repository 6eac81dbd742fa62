import { askToolName } from "../../contract/index.ts";
import type { Refusal } from "../../contract/index.ts";
import type { ApprovalId } from "../approvals/index.ts";
import { canonicalJson, faultFrom } from "../base/index.ts";
import type { PrincipalId } from "../identity/index.ts";
import { askBytesMax, askTool } from "../registry/index.ts";
import type { House } from "./house.ts";
import type { Approved, Intended, Planned, Reply } from "./stages.ts";

/**
 * `signalbox__ask`: people's yes to something of the agent's own. It goes the whole line like any call, and does nothing but give its
 * arguments back, with whose yes it went by. So everything about it is decided elsewhere: policy says whether and whom to ask, the
 * approval is bound to the call's intent and used up by it, and its answer is a receipted outcome that a step recalls.
 */
export const askToolText = JSON.stringify({ ...askTool.definition, rest: undefined, name: askToolName });

/** What the schema cannot say. Null = fits. */
export function askMisfit({ argumentsText }: Planned): string | null {
  const bytes = Buffer.byteLength(argumentsText);
  return bytes <= askBytesMax
    ? null
    : `question, details and data are ${bytes} bytes; people can be shown ${askBytesMax}`;
}

/**
 * Whoever may call any other tool unasked may go on. Here the answer *is* people's yes, so where policy asks nobody there is none: an
 * agent must never take for a yes that nobody was asked.
 */
export const nobodyAsked = ({ decision }: Approved): Refusal => ({
  code: "denied",
  detail:
    `Nobody was asked, so this is not a yes: policy permits ${askToolName} without saying who decides about it. ` +
    `A forbid about Tool::"${askTool.id}" with @approve says so.`,
  evidence: { policies: decision.reasons.map((policy) => policy.id) },
});

/** Answers from what is on record of the approvals, which the call's intent, or an earlier call's, has used up by now. */
export async function answerAsk(call: Intended, house: House): Promise<Reply> {
  const approvals = call.approval === null ? [] : [call.approval.id];
  const endorsed = [...new Set(call.endorsed)];
  let by: readonly PrincipalId[];
  try {
    by = await whoApproved(call, [...approvals, ...endorsed], house);
  } catch (thrown) {
    const { code, message, evidence } = faultFrom(thrown, `reading the approvals of call ${call.id}`);
    return { kind: "failed", code, detail: message, evidence };
  }
  // What stands above has made sure of it; here it would be a lie to the agent, so it is looked at once more.
  if (by.length === 0)
    return { kind: "failed", code: "approval-needed", detail: "nobody's yes is on record", evidence: {} };
  const asked = JSON.parse(call.argumentsText) as Readonly<Record<string, unknown>>; // what was digested
  const structuredContent = { approved: true, approvals, endorsed, by, asked };
  const value = { content: [{ type: "text", text: canonicalJson(structuredContent) }], structuredContent };
  return { kind: "answered", raw: JSON.stringify(value), value, isError: false };
}

/** In the order of their votes. */
async function whoApproved(
  call: Intended,
  approvals: readonly ApprovalId[],
  house: House,
): Promise<readonly PrincipalId[]> {
  const standing = await Promise.all(
    approvals.map((id) => house.approvals.standing(call.principal.tenant, id)),
  );
  const votes = standing.flatMap((each) => (each?.isProven === true ? each.votes : []));
  return [...new Set(votes.flatMap(({ person, vote }) => (vote === "approve" ? [person] : [])))];
}
