import type { Claim, EntryId, OpenCall } from "../ledger/index.ts";
import { readOpenCall } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { sentBefore } from "./send-again.ts";
import type { Planned } from "./stages.ts";
import { Stop } from "./station.ts";

/**
 * The caller has come back for a step or key of which nobody knows whether it happened. Its class may know a way out: the call goes on
 * and is sent again, or what became of it is found out first. A text = there is none now, and why.
 */
export async function wayOut(
  call: Planned,
  claim: Claim,
  outcomeEntry: EntryId,
  house: House,
): Promise<Planned | Stop | string> {
  const open = await readOpenCall(house.store, claim.call);
  // Somebody has settled it since the claim was read.
  if (open?.state !== "unknown") return new Stop({ kind: "again" });
  switch (open.class) {
    case "read":
    case "idempotent":
      return again(call, open, outcomeEntry, house);
    case "verifiable":
      return verified(call, open, house);
    case "effect":
      return "";
  }
}

async function again(
  call: Planned,
  open: OpenCall,
  outcomeEntry: EntryId,
  house: House,
): Promise<Planned | string> {
  const before = await sentBefore(call, open, outcomeEntry, house);
  return typeof before === "string" ? before : Object.assign(call, { sentBefore: before });
}

/** What its verify tool says is written down before anything else; the call then finds it on record, or its step free. */
async function verified(call: Planned, open: OpenCall, house: House): Promise<Stop | string> {
  const patience = { deadline: call.deadline, signal: call.input.signal };
  const why = await house.verifying.join(open.call, patience, house);
  return why === null ? new Stop({ kind: "again" }) : `its verify tool gave no answer: ${why}`;
}
