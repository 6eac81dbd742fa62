import type { ApprovalRequest } from "../approvals/index.ts";
import { invariant } from "../base/index.ts";
import type { EntryId, OpenCall } from "../ledger/index.ts";
import { openCall, pendAnew } from "../ledger/index.ts";
import { awaitDecision } from "./await-decision.ts";
import { endorsementsOf } from "./endorsed.ts";
import { entryId, requestEntryId, sealingScope } from "./entries.ts";
import { sameness } from "./identical.ts";
import { holderOf } from "./house.ts";
import type { House } from "./house.ts";
import { principalIds } from "./principal-ids.ts";
import { claimWrites, releasedBy } from "./record-intent.ts";
import { repeatMeta } from "./request-meta.ts";
import type { Approved } from "./stages.ts";
import { Stop, refused } from "./station.ts";
import { isStoreFault, storeRefusal } from "./store-refusal.ts";
import { reasonsFor } from "./why-asked.ts";
import { writeEntry } from "./write-entry.ts";

/**
 * Asks people: what exactly they are asked, the call that waits for them and its claim on a step are durable before anybody is
 * told. `before` is an earlier request of this call that no longer fits; null = there is none.
 */
export async function askApproval(
  call: Approved,
  before: ApprovalRequest | null,
  house: House,
): Promise<Stop> {
  const request = await ask(call, before, house);
  return request instanceof Stop ? request : awaitDecision(call, request, house);
}

async function ask(
  call: Approved,
  before: ApprovalRequest | null,
  house: House,
): Promise<ApprovalRequest | Stop> {
  invariant(call.salt !== null, "recall stops a call whose record was erased");
  let asking = call.waiting;
  try {
    const requestEntry = entryAfter(call, before);
    const asked = await house.approvals.ask(
      {
        tenant: call.principal.tenant,
        call: call.id,
        intentDigest: call.intentDigest,
        principals: principalIds(call.principal),
        subject: call.subject.id,
        name: call.input.name,
        rules: call.rules,
        reasons: reasonsFor(call),
        endorses: await endorsementsOf(call, house),
        run: call.run?.record.run ?? null,
        step: call.run?.step ?? null,
        requestEntry,
      },
      await house.store.now(),
    );
    if (!asked.ok) return refused(asked.refusal);
    const { request, writes } = asked.value;
    const open = call.waiting ?? (await openOf(call, request, house));
    const stand =
      call.waiting === null ? [openCall(open), ...claimWrites(call)] : [pendAnew(call.id, request.expiresAt)];
    asking = open;
    const outdated = before === null || before.state === "void" ? [] : house.approvals.makeVoid(before);
    const { verdict } = await writeEntry(
      house,
      call,
      {
        kind: "request",
        id: requestEntry,
        outcome: null,
        commitments: { arguments: call.argumentsCommitment },
        // Entering a released step again names what came of it before.
        after: before?.requestEntry ?? releasedBy(call),
      },
      {
        salt: Buffer.from(call.salt).toString("base64"),
        arguments: call.argumentsText,
        note: { approval: request.id, name: call.input.name, names: repeatMeta(call.input.meta) },
      },
      [...stand, ...outdated, ...writes],
    );
    // Somebody was faster to make the run, to claim the step, or to ask about the same.
    if (verdict.verdict === "guard-failed") return new Stop({ kind: "again" });
    call.waiting = open;
    // People take minutes or days, and thousands of runs may wait for them.
    if (call.run !== null) house.keys.rest(sealingScope(call, house.clock.wall()));
    return request;
  } catch (thrown) {
    // It may stand all the same. What this request is refused with is then no end of the call, and not its first entry.
    if (isStoreFault(thrown) && thrown.effect === "unknown") call.waiting = asking;
    return refused(storeRefusal(thrown));
  }
}

async function openOf(call: Approved, request: ApprovalRequest, house: House): Promise<OpenCall> {
  return {
    call: call.id,
    tenant: call.principal.tenant,
    principal: call.principal.id,
    subject: call.subject.id,
    class: call.subject.class.kind,
    state: "pending",
    ...holderOf(house),
    dispatchBy: request.expiresAt,
    intentEntry: entryId(call.id, 0),
    stepDigest: call.stepDigest,
    claim: call.repeat?.place ?? null,
    // Of any class: whoever asks for the same again is asked about already.
    same: call.repeat === null ? await sameness(call, house) : null,
  };
}

function entryAfter(call: Approved, before: ApprovalRequest | null): EntryId {
  const n =
    before === null ? 0 : Number(before.requestEntry.slice(before.requestEntry.lastIndexOf(":a") + 2));
  return requestEntryId(call.id, n + 1);
}
