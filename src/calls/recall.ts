import type { Code, ReceiptReference, Refusal } from "../../contract/index.ts";
import { delay, remainingMs } from "../base/index.ts";
import type { CallId, Claim, LedgerEntry, OpenCall } from "../ledger/index.ts";
import { readOpenCall } from "../ledger/index.ts";
import { whyNot } from "./end-pending.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import { isHeld } from "./parking-elsewhere.ts";
import type { ParkedAt, RequestState } from "./round.ts";
import { withReceipt } from "./result-text.ts";
import type { Planned } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop, refused } from "./station.ts";
import { standingTask } from "./tasks.ts";
import { wayOut } from "./ways-out.ts";
import type { Patience } from "./within-time.ts";
import { stillOpen, withinTime } from "./within-time.ts";

/**
 * Done before? Then its record is the answer, and nothing else is asked. Same step and same digest: the recorded outcome, or the
 * one that is under way. Same step and another digest: refused.
 */
export const recall: Station<Planned, Planned> = {
  name: "recall",
  visit(call, house) {
    const { repeat, returns } = call;
    if (returns !== null) return comesBack(call, returns, house);
    if (repeat === null || repeat.found === null || repeat.isPast) return call;
    if (call.salt === null)
      return refused({ code: "erased", detail: "its arguments cannot be compared any more" });
    const { found } = repeat;
    if (found.stepDigest !== call.stepDigest) {
      return refused({
        code: "step-mismatch",
        detail: `"${repeat.place.name}" is on record with another tool or other arguments`,
        evidence: { recorded: found.stepDigest, asked: call.stepDigest, call: found.call },
      });
    }
    switch (found.state) {
      case "released":
        return call;
      case "open":
        return goOn(call, found, house);
      case "final":
        return final(call, found, house);
    }
  },
};

/** Another round of an open call: answers for one that is parked, or the next exchange with a server that keeps nothing. */
async function comesBack(call: Planned, state: RequestState, house: House): Promise<Planned | Stop> {
  const { park } = state;
  if (park !== null) return comesBackToParked(call, park, house);
  const open = await readOpenCall(house.store, call.id);
  if (open?.state === "waiting" || open?.state === "pending") return driveOn(call, open, house);
  const end = await ended(call, call.id, house);
  if (end !== null) return end;
  // Several may come back for one that people have approved: the first drives it, the others join.
  if (state.isForApproval && open !== null) return join(call, call.id, house);
  // A `read` in its second round: nothing of it is durable yet.
  if (open === null && state.intent === null && !state.isForApproval) return call;
  return refused({ code: "state-invalid", detail: "this round is under way or was answered already" });
}

/** That its node has died says more than what whoever took that node's work over could put on record: that nothing is known. */
async function comesBackToParked(call: Planned, park: ParkedAt, house: House): Promise<Stop> {
  const answer = await house.parking.answer(park, call, house);
  if (answer !== null) return new Stop({ kind: "recalled", answer });
  const end = await ended(call, call.id, house);
  const isLost = end === null || (saysUnknown(end) && !(await isHeld(park, house)));
  return isLost ? refused({ code: "parked-call-lost", detail: `see call ${call.id}` }) : end;
}

const saysUnknown = ({ reason }: Stop): boolean =>
  reason.kind === "recalled" &&
  reason.answer.kind === "refused" &&
  reason.answer.refusal.code === "outcome-unknown";

/** The recorded end of a call that another round of it, or a person, has brought to its end meanwhile. */
async function ended(call: Planned, id: CallId, house: House): Promise<Stop | null> {
  for (const n of [2, 1]) {
    const found = await house.ledger.entry(call.principal.tenant, entryId(id, n));
    if (found !== null) return recorded(id, found, house);
  }
  return null;
}

/** A step whose call waits for input or approval is taken over by whoever names it; one that is under way is joined. */
async function goOn(call: Planned, claim: Claim, house: House): Promise<Planned | Stop> {
  const open = house.underWay.has(claim.call) ? null : await readOpenCall(house.store, claim.call);
  return open?.state === "waiting" || open?.state === "pending"
    ? driveOn(call, open, house)
    : join(call, claim.call, house);
}

/** A call that waits for input goes on here. One that waits for its task must not be sent again: the task is asked for. */
async function driveOn(call: Planned, open: OpenCall, house: House): Promise<Planned | Stop> {
  // Its run was made between our look at the run and our look at the call: the one that we drew is not the one it is in.
  if (call.run !== null && call.run.creation !== null) return new Stop({ kind: "again" });
  // No server has been sent what waits for people.
  const answer = open.state === "pending" ? null : await standingTask(open.call, call, house);
  if (answer !== null) return (await ended(call, open.call, house)) ?? new Stop({ kind: "recalled", answer });
  call.id = open.call;
  return Object.assign(call, { waiting: open });
}

async function join(call: Planned, id: CallId, house: House): Promise<Stop> {
  const patience = { deadline: call.deadline, signal: call.input.signal };
  const underWay =
    house.parking.join(id, call, house) ?? house.underWay.get(id) ?? endElsewhere(id, patience, house);
  const answer = await withinTime(underWay, patience, house.clock);
  if (answer === null) return new Stop({ kind: "recalled", answer: stillOpen(patience) });
  // That its own caller withdrew it, and nothing was sent, is no answer for this one: it enters again by itself.
  const isWithdrawn = answer?.kind === "refused" && answer.refusal.code === "cancelled";
  if (answer !== undefined && !isWithdrawn) return new Stop({ kind: "recalled", answer });
  // It may have ended between our reading of the claim and now; then going round once more finds the record.
  return new Stop({ kind: "again" });
}

/** Between two looks at a call that another node drives. */
const elsewhereLookMs = 100;

/** Resolves when no other node has the call under way any more: it is on record then, or its node is dead and was taken over. */
async function endElsewhere(id: CallId, patience: Patience, house: House): Promise<undefined> {
  const { store, clock, node } = house;
  for (;;) {
    const open = await readOpenCall(store, id);
    if (open?.state !== "dispatched" || open.node === node.name) return undefined;
    if (patience.signal?.aborted === true || remainingMs(clock, patience.deadline) === 0) return undefined;
    await delay(clock, elsewhereLookMs);
  }
}

/** What is on record; where that is nothing but a doubt, what the call's class knows to do about it comes first. */
async function final(call: Planned, claim: Claim, house: House): Promise<Planned | Stop> {
  const { outcomeEntry } = claim;
  const found = outcomeEntry === null ? null : await house.ledger.entry(call.principal.tenant, outcomeEntry);
  if (found === null) {
    const detail = "its outcome is not on record";
    return refused({ code: "outcome-unknown", detail, evidence: { call: claim.call } });
  }
  if (found.entry.outcome?.kind !== "unknown") return recorded(claim.call, found, house);
  const way = await wayOut(call, claim, found.entry.id, house);
  return typeof way === "string" ? recorded(claim.call, found, house, way) : way;
}

/** `why`: for an unknown outcome, why there is no other way to settle it than a person. */
async function recorded(id: CallId, found: LedgerEntry, house: House, why = ""): Promise<Stop> {
  const evidence = { call: id };
  const { entry, leafHash } = found;
  const receipt = { entry: entry.id, leaf: Buffer.from(leafHash).toString("base64") };
  if (entry.outcome?.kind !== "succeeded") {
    if (entry.outcome?.kind === "refused") return refusedByPeople(id, entry.outcome.code, receipt, house);
    // What was not carried out says why; whether an unknown call was, nobody can say.
    const refusal =
      entry.outcome?.kind === "failed"
        ? { code: entry.outcome.code, detail: `see call ${id}`, evidence }
        : unknown(id, why);
    return new Stop({ kind: "recalled", answer: { kind: "refused", refusal, receipt } });
  }
  const opened = await house.ledger.payload(found);
  if (opened === null || opened.erased)
    return refused({ code: "erased", detail: `see call ${id}`, evidence });
  const text = withReceipt(opened.payload.result ?? resolvedText, receipt);
  return new Stop({ kind: "recalled", answer: { kind: "result", text, receipt } });
}

const unknown = (call: CallId, why: string): Refusal => ({
  code: "outcome-unknown",
  detail: `${why === "" ? "" : `${why.charAt(0).toUpperCase()}${why.slice(1)}. `}A person must resolve it: see call ${call}.`,
  evidence: { call, ...(why === "" ? {} : { why }) },
});

/** It waited for people, and they said no, or nothing. */
async function refusedByPeople(
  call: CallId,
  code: Code,
  receipt: ReceiptReference,
  house: House,
): Promise<Stop> {
  const request = await house.approvals.ofCall(call);
  const detail = request === null ? "" : await whyNot(request, house);
  return new Stop({ kind: "recalled", answer: { kind: "refused", refusal: { code, detail }, receipt } });
}

/** An unknown outcome that a person resolved as done has no result of its own. */
const resolvedText = JSON.stringify({
  content: [
    { type: "text", text: "A person confirmed that this call was carried out. Its result is not on record." },
  ],
});
