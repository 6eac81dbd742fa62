import { integer, keyedTable, text, textOrNull } from "../store/index.ts";

/**
 * One row per request. `version` grows with every vote and guards it, so that two votes never count past one another. Nothing of
 * the arguments stands here: they are sealed beside the request's ledger entry.
 */
export const approvalTable = keyedTable({
  name: "approval",
  key: ["id"],
  indexes: {
    call: ["call", "id"],
    state: ["tenant", "state", "id"],
    requester: ["requester", "state", "id"],
    expiry: ["state", "expiresAt"],
    run: ["run", "state", "id"],
  },
  columns: {
    id: text,
    tenant: text,
    call: text,
    intentDigest: text,
    nonce: text,
    state: text,
    version: integer,
    requester: text,
    principals: text, // JSON array: the requester first, then on whose behalf
    subject: text,
    name: text, // as the requester knows it
    rules: text, // JSON array of ApprovalRule
    run: textOrNull,
    step: textOrNull,
    endorses: text, // JSON array of Endorsement
    requestEntry: text,
    requestedAt: integer, // store ms
    expiresAt: integer, // store ms
    decidedEntry: textOrNull, // the vote that decided
    grant: textOrNull, // the signed text, once enough have said yes
    proof: text, // of all that never changes, but the reasons
    reasons: textOrNull, // JSON array of Reasons; null = no policy says why, or the version before has asked
    reasonsProof: textOrNull, // null = there are none
  },
  columnsSince: { reasons: 2, reasonsProof: 2 },
});

/** One vote per person and request. */
export const approvalVoteTable = keyedTable({
  name: "approval_vote",
  key: ["approval", "person"],
  columns: {
    approval: text,
    person: text,
    vote: text,
    rules: text, // JSON array: which of the request's rules it counts for, by their place
    entry: text,
    at: integer, // wall ms
    proof: text,
  },
});

/** Values that people have endorsed for a run; the rule that asked about them does not ask again in it. */
export const endorsementTable = keyedTable({
  name: "approval_endorsement",
  key: ["tenant", "run", "policyId", "digest"],
  columns: { tenant: text, run: text, policyId: text, digest: text, approval: text, at: integer },
});

/** What is still to be told to a webhook, kept until it has been taken or given up. */
export const announcementTable = keyedTable({
  name: "approval_announcement",
  key: ["id", "target"],
  indexes: { due: ["target", "dueAt"] },
  columns: {
    id: text,
    target: text,
    approval: text,
    tenant: text,
    kind: text,
    groups: text, // JSON array of those asked
    outcome: textOrNull, // how it was decided; null = this tells that people are asked
    attempts: integer,
    dueAt: integer, // store ms; moved on by whoever is about to tell it
    eventAt: integer, // wall ms, of what it tells
  },
});

export const approvalTables = [
  approvalTable,
  approvalVoteTable,
  endorsementTable,
  announcementTable,
] as const;
