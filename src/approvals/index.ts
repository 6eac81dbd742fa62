/**
 * approvals: people's yes or no to one exact intent. Owns requests, votes, expiry, escalation and single use, and announces
 * requests to those who are to decide. Never runs the call: an approval permits, it triggers nothing.
 *
 * A request: pending (people are asked), approved (enough of them said yes: signed), then used (the call's intent took it along,
 * in one transaction) or expired; or denied by one of them; or void, because the intent is not the one that was asked about any
 * more. Where a rule says so, a yes endorses some of the call's values for its run: the rule does not ask about them again in it. A
 * vote is an authenticated person's, never an agent's or a service's, and counts for the rules that asked its person; one who stands
 * behind the call may vote only where the rule says so. A request says why it asks, where policies do. What was approved is the intent digest: whoever changes anything of it has
 * another one. Requests and votes carry a MAC and grants a signature: whoever can only write to the database approves nothing.
 *
 * A decision about a call in a run asks, in its own transaction, for the run's agent to be started again: it may rest meanwhile.
 *
 * Announcements to webhooks go into the transaction of what they tell, and a `Courier` per webhook takes them there: at least once,
 * in no promised order, tried again for a day.
 *
 * Identities: approval ids (`apr_…`). Bounds: 1,000 pending requests per principal (`pendingMax`; on several nodes, a little more), 5
 * rules each, 20 votes per rule, one announcement at a time and webhook, 19 attempts each.
 * Errors: refusals `not-found`, `conflict`, `forbidden`, `too-many-calls`; those of the store. Signals: `decided` wakes whoever
 * waits on this node at once; other nodes look once a second.
 */
export { Approvals, unproven } from "./approvals.ts";
export type { ApprovalsOptions, Standing } from "./approvals.ts";
export { Courier, forgetOtherTargets } from "./courier.ts";
export type { CourierOptions } from "./courier.ts";
export type { ApprovalId, ApprovalRequest, ApprovalState, ApprovalVote, Endorsement } from "./request.ts";
export { approvalStates, listApprovals } from "./request.ts";
export { reasonOf } from "./reasons.ts";
export type { RunAsks } from "./run-asks.ts";
export { mayDecide, openRules } from "./rules.ts";
export type { RuleStanding } from "./rules.ts";
export { visibleText } from "./visible-text.ts";
export { approvalTables } from "./tables.ts";
