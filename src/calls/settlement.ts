import type { Code } from "../../contract/index.ts";
import type { Clock } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Entry, EntryId, Ledger, OpenCall, Outcome, Payload } from "../ledger/index.ts";
import { entryWrite, readClaim, resettleClaim, resolveCall, sealPayload } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { entryId } from "./entries.ts";
import { principalIds } from "./principal-ids.ts";
import type { Resolver } from "./resolved-by.ts";
import { methodOf } from "./resolved-by.ts";

/** How an unknown outcome was settled: what is known now, who says so, and from where. */
export interface Settlement {
  readonly actor: Principal;
  readonly by: Exclude<Resolver, "sent-again">;
  readonly happened: boolean;
  /** null = the entry follows the one that says that nobody knows. */
  readonly after: EntryId | null;
  readonly isError: boolean;
  /** Why whoever asks for the call is given other words instead of its result; null = it is given the result. */
  readonly withheld: Code | null;
  readonly commitments: Entry["commitments"];
  readonly payload: Payload;
  /** null = what the actor did that day is erased together. */
  readonly sealedUnder: string | null;
}

export interface SettlementParts {
  readonly clock: Clock;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Ledger;
}

/** The entry that settles it, and what goes with it: the step is bound by it, or free. Fails when somebody else was faster. */
export async function settlementWrites(
  open: OpenCall,
  settlement: Settlement,
  { clock, store, keys, ledger }: SettlementParts,
): Promise<{ readonly entry: EntryId; readonly writes: readonly Write[] }> {
  const { actor, happened } = settlement;
  const at = clock.wall();
  const id = entryId(open.call, 2);
  const unknown = await ledger.entry(open.tenant, entryId(open.call, 1));
  const about = unknown?.entry ?? null;
  const outcome: Outcome = happened
    ? {
        kind: "succeeded",
        isError: settlement.isError,
        ...(settlement.withheld === null ? {} : { withheld: settlement.withheld }),
      }
    : { kind: "failed", code: "outcome-unknown" };
  const entry: Entry = {
    id,
    kind: "resolve",
    tenant: open.tenant,
    at,
    call: open.call,
    run: about?.run ?? null,
    step: about?.step ?? null,
    principals: principalIds(actor),
    method: methodOf[settlement.by],
    subject: open.subject,
    versions: { identity: actor.version },
    decision: null,
    intentDigest: about?.intentDigest ?? null,
    stepDigest: open.stepDigest,
    outcome,
    commitments: settlement.commitments,
    after: settlement.after ?? (unknown === null ? open.intentEntry : entryId(open.call, 1)),
  };
  const day = new Date(msOf(at)).toISOString().slice(0, 10);
  const scope = settlement.sealedUnder ?? `day/${actor.tenant}/${actor.id}/${day}`;
  const sealed = sealPayload(keys, await keys.scopeKey(scope), id, settlement.payload);
  // A key is kept for a day: by now it may be gone, or another call's.
  const claim = open.claim === null ? null : await readClaim(store, open.tenant, open.claim);
  const place = claim?.call === open.call ? claim.place : null;
  const state = happened ? "final" : "released";
  return {
    entry: id,
    writes: [
      entryWrite(entry, sealed).write,
      resolveCall(open.call),
      ...(place === null ? [] : [resettleClaim(open.tenant, place, open.call, state, id)]),
    ],
  };
}
