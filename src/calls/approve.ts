import type { Authorised } from "./stages.ts";
import type { Station } from "./station.ts";
import { refused } from "./station.ts";

/** Checks that a person has said yes where policy asks for one. Approvals cannot be given yet, so asking for one refuses. */
export const approve: Station<Authorised, Authorised> = {
  name: "approve",
  visit(call) {
    if (call.decision.effect !== "approve") return call;
    const groups = call.decision.approvals.map((rule) => rule.group).join(", ");
    return refused({
      code: "approval-needed",
      detail: `${call.subject.exposedName} with these arguments needs approval by ${groups}`,
      evidence: {
        policies: call.decision.reasons.map((policy) => policy.id),
        approvals: call.decision.approvals,
      },
    });
  },
};
