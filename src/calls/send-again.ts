import type { Refusal } from "../../contract/index.ts";
import type { ApprovalId } from "../approvals/index.ts";
import type { StoreMs, WallMs } from "../base/index.ts";
import { elapsedMs, msOf, plusMs, storeMs } from "../base/index.ts";
import type { EntryId, OpenCall, Outcome } from "../ledger/index.ts";
import { entryWrite, resolveCall } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { Known } from "./entries.ts";
import { entryId, entryOf } from "./entries.ts";
import type { House } from "./house.ts";
import { methodOf } from "./resolved-by.ts";
import type { Executed, Planned, SentBefore } from "./stages.ts";

/**
 * For how long after the first time a key is counted on: services keep theirs for a day or more (Stripe's are pruned after 24 h). A
 * tool that forgets sooner is not `idempotent`.
 */
const keyGoodMs = 24 * 3_600_000;

/**
 * May a call whose outcome is unknown be sent again because its caller has come back for it? Its key makes its server carry it out
 * once, also when the first sending is still on its way, so that there is nothing to wait for. A text = why not.
 */
export async function sentBefore(
  call: Planned,
  open: OpenCall,
  outcomeEntry: EntryId,
  house: House,
): Promise<SentBefore | string> {
  const { kind } = call.subject.class;
  if (kind !== open.class) return `${call.subject.exposedName} is no longer of class ${open.class}`;
  const intent = await house.ledger.entry(open.tenant, open.intentEntry);
  const opened = intent === null ? null : await house.ledger.payload(intent);
  if (intent === null || opened === null || opened.erased) return "its arguments are not on record any more";
  const noted = opened.payload.note?.["keyGoodUntil"]; // our own note
  const now = await house.store.now();
  const keyGoodUntil =
    typeof noted === "number" ? storeMs(noted) : goodUntil(open, intent.entry.at, now, house);
  if (kind === "idempotent" && msOf(now) > msOf(keyGoodUntil))
    return "it was first sent more than a day ago, and its server may have forgotten the key";
  const approval = (intent.entry.versions["approval"] ?? null) as ApprovalId | null; // as `entryOf` wrote it
  return { open, outcomeEntry, keyGoodUntil, approval };
}

/** Store time knows best when it was sent; but of a call that had come to wait it knows only until when that might have gone on. */
function goodUntil({ dispatchBy }: OpenCall, sentAt: WallMs, now: StoreMs, { clock }: House): StoreMs {
  const byWall = plusMs(now, keyGoodMs - Math.max(0, elapsedMs(clock.wall(), sentAt)));
  const byStore = plusMs(dispatchBy, keyGoodMs);
  return msOf(byWall) < msOf(byStore) ? byWall : byStore;
}

/** What the intent of a call that is sent again remembers of the first time. */
export const noteOfBefore = ({ open, keyGoodUntil }: SentBefore) => ({
  note: { sentBefore: open.call, keyGoodUntil: msOf(keyGoodUntil) },
});

/**
 * From the new intent on the new call stands for both: what becomes of it is the outcome. Of the earlier one nobody will ever know by
 * itself. Its last entry follows the new intent, and so names it.
 */
export function supersede(call: Known, { open }: SentBefore, intent: EntryId, house: House): Write[] {
  const entry = entryOf(call, {
    kind: "resolve",
    id: entryId(open.call, 2),
    at: house.clock.wall(),
    outcome: stillUnknown,
    commitments: {},
    after: intent,
  });
  const own = { ...entry, call: open.call, method: methodOf["sent-again"], decision: null };
  return [entryWrite(own, null).write, resolveCall(open.call)];
}

/**
 * What the first sending left open, a second one that never left does not close: it may have happened. A server that asks back is
 * another matter: it has not carried out anything under this key.
 */
export function notClosedBy(call: Planned, reply: Executed["reply"]): Executed["reply"] {
  if (call.sentBefore === null || reply.kind !== "failed" || call.subject.class.kind === "read") return reply;
  const { call: first } = call.sentBefore.open;
  return {
    kind: "unknown",
    code: stillUnknown.code,
    detail: `call ${first} may have happened, and could not be sent again now: ${reply.detail}`,
    evidence: { ...reply.evidence, why: reply.code, call: first },
  };
}

/** How an intent ends that was perhaps written, and of which nothing was sent. */
export const neverSent = (call: Planned, outcome: Outcome & { kind: "failed" }): Outcome =>
  call.sentBefore === null || call.subject.class.kind === "read" ? outcome : stillUnknown;

/** Of the earlier call nothing is closed by a refusal of this one; and whether to ask again, the caller must be able to see. */
export function notSentAgain(call: Partial<Planned>, refusal: Refusal): Refusal {
  const { sentBefore } = call;
  if (sentBefore === null || sentBefore === undefined || refusal.code === "internal") return refusal;
  const { call: first } = sentBefore.open;
  return {
    code: stillUnknown.code,
    detail: `See call ${first}; it was not sent again: ${refusal.detail}`,
    evidence: { ...refusal.evidence, why: refusal.code, call: first },
  };
}

const stillUnknown = { kind: "unknown", code: "outcome-unknown" } as const;
