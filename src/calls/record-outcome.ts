import type { ReceiptReference } from "../../contract/index.ts";
import type { StoreMs } from "../base/index.ts";
import { Fault, explain, invariant } from "../base/index.ts";
import type { Outcome, Payload } from "../ledger/index.ts";
import { bindsStep, closeCall, markUnknown, settleClaim } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { CallAnswer } from "./call.ts";
import { entryId } from "./entries.ts";
import { holderOf } from "./house.ts";
import type { House } from "./house.ts";
import { claimWrites } from "./record-intent.ts";
import { withReceipt } from "./result-text.ts";
import type { Screened } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop } from "./station.ts";
import { committed, writeEntry } from "./write-entry.ts";

/** The end of the line: what came of the call, durable before the answer leaves. */
export interface Recorded extends Screened {
  outcome: Outcome;
  answer: CallAnswer;
}

export const recordOutcome: Station<Screened, Recorded> = {
  name: "recordOutcome",
  async visit(call, house) {
    const outcome = outcomeOf(call);
    const id = entryId(call.id, call.intent === null ? 0 : 1);
    invariant(call.salt !== null, "recall stops a call whose record was erased");
    const commitments: Record<string, string> = { arguments: call.argumentsCommitment };
    const raw = call.reply.kind === "answered" ? call.reply.raw : null;
    const commitmentToRaw = raw === null ? null : committed(call.salt, raw);
    if (commitmentToRaw !== null) commitments["raw"] = commitmentToRaw;
    if (call.input.round !== null || call.inputs !== null)
      commitments["inputs"] = committed(call.salt, JSON.stringify(noteOf(call).note?.["inputs"] ?? []));
    if (call.seen !== null) {
      // Nearly always the caller sees what came, and the same bytes under the same salt have the same commitment.
      commitments["result"] =
        call.seen === raw && commitmentToRaw !== null ? commitmentToRaw : committed(call.salt, call.seen);
    }
    try {
      const { verdict, receipt } = await writeEntry(
        house,
        call,
        { kind: "outcome", id, outcome, commitments, after: call.intent },
        payloadOf(call),
        settlingWrites(call, outcome, house),
      );
      if (verdict.verdict === "guard-failed") return lostRace(call, house);
      return Object.assign(call, { outcome, answer: answerOf(call, receipt) });
    } catch (thrown) {
      const answer = notRecorded(thrown);
      if (call.intent !== null) house.unsettled.add(call.id, outcome.kind === "failed" ? outcome : notKnown);
      return Object.assign(call, { outcome, answer });
    }
  },
};

function outcomeOf({ reply, withheld }: Screened): Outcome {
  switch (reply.kind) {
    case "answered":
    case "withheld": {
      const isError = reply.kind === "answered" && reply.isError;
      return { kind: "succeeded", isError, ...(withheld === null ? {} : { withheld }) };
    }
    case "failed":
    case "unknown":
      return { kind: reply.kind, code: reply.code };
  }
}

function settlingWrites(call: Screened, outcome: Outcome, house: House): Write[] {
  const { tenant } = call.principal;
  const id = entryId(call.id, call.intent === null ? 0 : 1);
  if (call.intent === null) {
    // Only a success binds the step of a `read`: anything else may be asked again.
    if (outcome.kind !== "succeeded" || call.repeat === null)
      return call.run?.creation ? [call.run.creation] : [];
    return [...claimWrites(call), settleClaim(tenant, call.repeat.place, call.id, outcome.kind, id)];
  }
  const row =
    outcome.kind === "unknown" ? markUnknown(call.id, holderOf(house)) : closeCall(call.id, holderOf(house));
  return call.repeat === null
    ? [row]
    : [row, settleClaim(tenant, call.repeat.place, call.id, outcome.kind, id, keptUntil(call))];
}

/** A key whose call waited for a while is remembered from its last round on. */
const keptUntil = ({ waiting, repeat }: Screened): StoreMs | null =>
  waiting === null || repeat === null ? null : repeat.expiresAt;

function payloadOf(call: Screened): Payload {
  const salt = Buffer.from(call.salt as Uint8Array).toString("base64");
  const result = call.seen === null ? {} : { result: call.seen };
  const note = noteOf(call);
  // With an intent, salt and arguments stand in its payload already.
  return call.intent === null
    ? { salt, arguments: call.argumentsText, ...result, ...note }
    : { ...result, ...note };
}

/** Why there is no answer, and what the caller was asked meanwhile. */
function noteOf({ reply, inputs, input }: Screened): Pick<Payload, "note"> {
  const answered = [...(input.round === null ? [] : [input.round.inputResponses]), ...(inputs ?? [])];
  const given = answered.length === 0 ? {} : { inputs: answered };
  if (reply.kind === "answered") return answered.length === 0 ? {} : { note: given };
  const { rpc } = reply;
  return {
    note: { detail: reply.detail, ...reply.evidence, ...(rpc === undefined ? {} : { rpc }), ...given },
  };
}

function answerOf(call: Screened, receipt: ReceiptReference): CallAnswer {
  if (call.seen !== null) return { kind: "result", text: withReceipt(call.seen, receipt), receipt };
  if (call.reply.kind === "answered") {
    const refusal = { code: "result-invalid", detail: "its _meta is not an object" } as const;
    return { kind: "refused", refusal, receipt };
  }
  const { code, detail, evidence, rpc } = call.reply;
  return {
    kind: "refused",
    refusal: { code, detail, evidence, ...(rpc === undefined ? {} : { rpc }) },
    receipt,
  };
}

/**
 * A `read` whose step somebody else recorded first goes back and gets that record. For anything with an intent it means that
 * this node was taken for dead and its call has been settled by another: what we know may no longer be told as the outcome.
 */
function lostRace(call: Screened, house: House): Stop | Recorded {
  if (call.intent === null) return new Stop({ kind: "again" });
  const refusal = {
    code: "outcome-not-recorded",
    detail: "another node has settled this call",
    evidence: { call: call.id, node: house.node.name, binds: bindsStep(outcomeOf(call).kind) },
  } as const;
  return Object.assign(call, {
    outcome: outcomeOf(call),
    answer: { kind: "refused" as const, refusal, receipt: null },
  });
}

const notKnown: Outcome = { kind: "unknown", code: "outcome-not-recorded" };

/** Nothing is acknowledged before it is durable: the result stays here, and the open call becomes `unknown`. */
function notRecorded(thrown: unknown): CallAnswer {
  if (!(thrown instanceof Fault)) throw thrown; // a bug of ours is not the disk's
  const fault = thrown;
  return {
    kind: "refused",
    refusal: {
      code: "outcome-not-recorded",
      detail: "its result is withheld",
      evidence: { store: fault.code, reason: explain(fault) },
    },
    receipt: null,
  };
}
