import type { EntryId, OpenCall } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { withheldText, withoutOurKeys } from "./result-text.ts";
import { outputViolation } from "./screen.ts";
import { settlementWrites } from "./settlement.ts";
import type { Question, Verdict } from "./verify-question.ts";
import { committed } from "./write-entry.ts";

/** What the verify tool said becomes what is on record. False = somebody else was faster. Rejects with the store's Fault. */
export async function settleVerified(
  open: OpenCall,
  { principal, subject, about, salt }: Question,
  verdict: Exclude<Verdict, { kind: "no-answer" }>,
  answered: EntryId,
  house: House,
): Promise<boolean> {
  const happened = verdict.kind === "happened";
  const violation = happened ? violationOf(subject, verdict.result, house) : null;
  const result = happened ? resultText(verdict.result, violation) : null;
  const { writes } = await settlementWrites(
    open,
    {
      actor: principal,
      by: "verify-tool",
      happened,
      isError: happened && verdict.result?.["isError"] === true,
      withheld: violation === null ? null : "result-invalid",
      after: answered,
      commitments: result === null ? {} : { result: committed(salt, result) },
      payload: result === null ? {} : { salt: Buffer.from(salt).toString("base64"), result },
      sealedUnder: about.sealedUnder,
    },
    house,
  );
  const { verdict: end } = await house.store.commit(writes);
  if (end === "done") house.ledger.noted(open.tenant);
  return end === "done";
}

const violationOf = (subject: Question["subject"], result: Verified, house: House): string | null =>
  result === null ? null : outputViolation(subject, result, result["isError"] === true, house);

/** The call's result as its caller is given it. The verify tool's own answer has been cleared of known credentials already. */
function resultText(result: Verified, violation: string | null): string {
  if (result === null) return confirmedText;
  return violation === null
    ? withoutOurKeys(JSON.stringify(result), result)
    : withheldText("result-invalid", violation);
}

type Verified = Extract<Verdict, { kind: "happened" }>["result"];

const confirmedText = JSON.stringify({
  content: [
    {
      type: "text",
      text: "The tool that verifies such calls confirmed that this one was carried out. Its result is not on record.",
    },
  ],
});
