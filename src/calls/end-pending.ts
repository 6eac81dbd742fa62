import type { ApprovalRequest } from "../approvals/index.ts";
import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import { closePending, entryWrite, readOpenCall } from "../ledger/index.ts";
import { claimSettled } from "./claim-settled.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import type { Approved } from "./stages.ts";
import { Stop, refused } from "./station.ts";
import { storeRefusal } from "./store-refusal.ts";

type Ending = "approval-denied" | "approval-expired" | "cancelled";

/** The call ends here: its caller is told why, and may ask for something else, or for the same again. */
export async function endPending(
  call: Approved,
  request: ApprovalRequest,
  code: Ending,
  house: House,
): Promise<Stop> {
  try {
    const open = call.waiting ?? (await readOpenCall(house.store, call.id));
    const receipt = open === null ? null : await writeEnd(open, request, code, house);
    // Another arrival, or housekeeping, was faster: it is on record, or has gone on.
    if (receipt === null) return new Stop({ kind: "again" });
    const refusal: Refusal = { code, detail: await whyNot(request, house) };
    return new Stop({ kind: "ended", answer: { kind: "refused", refusal, receipt } });
  } catch (thrown) {
    return refused(storeRefusal(thrown));
  }
}

/** Its caller does not want it any more: nobody is asked about it from here on. Rejects with the store's Fault. */
export async function withdrawPending(request: ApprovalRequest, house: House): Promise<void> {
  const open = await readOpenCall(house.store, request.call);
  if (open?.state === "pending") await writeEnd(open, request, "cancelled", house);
}

/** Null = somebody else was faster. Rejects with the store's Fault. */
export async function writeEnd(
  open: OpenCall,
  request: ApprovalRequest,
  code: Ending,
  house: Pick<House, "ledger" | "clock" | "store" | "approvals">,
): Promise<ReceiptReference | null> {
  const asked = await house.ledger.entry(request.tenant, request.requestEntry);
  if (asked === null) return null; // the ledger has lost an entry; `audit verify` names it
  const outcome = { kind: "refused", code } as const;
  const id = entryId(open.call, 1);
  const { write, leafHashText } = entryWrite(
    {
      ...asked.entry,
      kind: "outcome",
      id,
      at: house.clock.wall(),
      outcome,
      after: request.requestEntry,
    },
    null,
  );
  const writes = [write, closePending(open.call)];
  const claim = await claimSettled(open, outcome, id, house.store);
  if (claim !== null) writes.push(claim);
  if (request.state === "pending" || request.state === "approved")
    writes.push(
      ...(code === "cancelled" ? house.approvals.makeVoid(request) : house.approvals.expire(request)),
    );
  const verdict = await house.store.commit(writes);
  if (verdict.verdict === "guard-failed") return null;
  house.ledger.noted(request.tenant);
  return { entry: id, leaf: leafHashText };
}

/** In words that an agent can act on: what a person said, or that nobody did. */
export async function whyNot(request: ApprovalRequest, house: Pick<House, "ledger">): Promise<string> {
  const groups = request.rules.map(({ group }) => group).join(" and ");
  if (request.state === "void") return "its caller has withdrawn it";
  if (request.decidedEntry === null)
    return `${groups} did not decide in time; ask again if it is still wanted`;
  const vote = await house.ledger.entry(request.tenant, request.decidedEntry);
  const opened = vote === null ? null : await house.ledger.payload(vote);
  const reason = opened === null || opened.erased ? undefined : opened.payload.note?.["reason"];
  return typeof reason === "string" && reason !== "" ? `They said: ${reason}` : `${groups} gave no reason`;
}
