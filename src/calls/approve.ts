import { isOwnTool } from "../registry/index.ts";
import { nobodyAsked } from "./answer-ask.ts";
import { byPeople } from "./by-people.ts";
import { isByNode } from "./call.ts";
import { intentOf } from "./intent-of.ts";
import type { Approved, Authorised } from "./stages.ts";
import type { Station } from "./station.ts";
import { refused } from "./station.ts";

/**
 * Have people said yes, where policy asks for them? What they said yes to is the intent digest, which is made here: a call whose
 * arguments, tool, principals or deciding policies are others has another one, and needs its own yes. Checked here, used up where
 * the intent is recorded.
 */
export const approve: Station<Authorised, Approved> = {
  name: "approve",
  visit(call, house) {
    const digested: Approved = Object.assign(call, {
      intentDigest: intentOf(call),
      approval: null,
      rules: call.decision.approvals,
      endorsed: none,
    });
    if (digested.decision.effect !== "approve")
      return isOwnTool(call.subject.id) ? refused(nobodyAsked(digested)) : digested;
    // Whoever would be asked whether the node may look can as well look.
    if (isByNode(call.input)) return refused({ code: "approval-needed", detail: "nobody is asked" });
    return byPeople(digested, house);
  },
};

const none: Approved["endorsed"] = [];
