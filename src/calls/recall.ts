import type { Claim } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { withReceipt } from "./result-text.ts";
import type { Planned } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop, refused } from "./station.ts";

/**
 * Done before? Then its record is the answer, and nothing else is asked. Same step and same digest: the recorded outcome, or the
 * one that is under way. Same step and another digest: refused.
 */
export const recall: Station<Planned, Planned> = {
  name: "recall",
  visit(call, house) {
    const { repeat } = call;
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
        return join(found, house);
      case "final":
        return recorded(call, found, house);
    }
  },
};

async function join(claim: Claim, house: House): Promise<Stop> {
  const underWay = house.underWay.get(claim.call);
  const answer = await underWay;
  // That its own caller withdrew it, and nothing was sent, is no answer for this one: it enters again by itself.
  const isWithdrawn = answer?.kind === "refused" && answer.refusal.code === "cancelled";
  if (answer !== undefined && !isWithdrawn) return new Stop({ kind: "recalled", answer });
  // It may have ended between our reading of the claim and now; then going round once more finds the record.
  return new Stop({ kind: "again" });
}

async function recorded(call: Planned, claim: Claim, house: House): Promise<Stop> {
  const found =
    claim.outcomeEntry === null ? null : await house.ledger.entry(call.principal.tenant, claim.outcomeEntry);
  const evidence = { call: claim.call };
  if (found === null)
    return refused({ code: "outcome-unknown", detail: "its outcome is not on record", evidence });
  const { entry, leafHash } = found;
  const receipt = { entry: entry.id, leaf: Buffer.from(leafHash).toString("base64") };
  if (entry.outcome?.kind !== "succeeded") {
    const refusal = { code: "outcome-unknown", detail: `see call ${claim.call}`, evidence } as const;
    return new Stop({ kind: "recalled", answer: { kind: "refused", refusal, receipt } });
  }
  const opened = await house.ledger.payload(found);
  if (opened === null || opened.erased)
    return refused({ code: "erased", detail: `see call ${claim.call}`, evidence });
  const text = withReceipt(opened.payload.result ?? resolvedText, receipt);
  return new Stop({ kind: "recalled", answer: { kind: "result", text, receipt } });
}

/** An unknown outcome that a person resolved as done has no result of its own. */
const resolvedText = JSON.stringify({
  content: [
    { type: "text", text: "A person confirmed that this call was carried out. Its result is not on record." },
  ],
});
