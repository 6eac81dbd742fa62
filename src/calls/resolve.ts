import type { Clock, Result } from "../base/index.ts";
import { elapsedMs, msOf, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { CallId, Entry, EntryId, Ledger, OpenCall, Outcome } from "../ledger/index.ts";
import {
  entryWrite,
  readClaim,
  readOpenCall,
  resettleClaim,
  resolveCall,
  sealPayload,
} from "../ledger/index.ts";
import type { Change, Store } from "../store/index.ts";
import { entryId } from "./entries.ts";
import { principalIds } from "./principal-ids.ts";
import { methodOf } from "./resolved-by.ts";

/**
 *  done   it happened: the step is bound for good
 *  retry  it did not happen: the step may be entered again, as a new call whose intent names this record
 */
export const resolutions = ["done", "retry"] as const;
export type Resolution = (typeof resolutions)[number];

export interface ResolveOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Ledger;
  /** A call is surely not dispatched any more once its dispatch-by and one lease have passed. */
  readonly leaseMs: number;
}

/** A person settles a call whose outcome is unknown. Another tenant's call looks like a missing one. */
export async function resolveUnknown(
  actor: Principal,
  call: CallId,
  resolution: Resolution,
  reason: string,
  options: ResolveOptions,
): Promise<Result<Change<{ readonly entry: EntryId }>>> {
  const open = await readOpenCall(options.store, call);
  if (open === null || open.tenant !== actor.tenant) {
    return refuse({ code: "not-found", detail: "no open or unknown call has this id" });
  }
  if (open.state !== "unknown")
    return refuse({ code: "conflict", detail: `this call is ${open.state}, not unknown` });
  if (resolution === "retry") {
    const waitMs = elapsedMs(plusMs(open.dispatchBy, options.leaseMs), await options.store.now());
    if (waitMs > 0) {
      return refuse({
        code: "conflict",
        detail: `it may still be dispatched: resolve it as "retry" in ${Math.ceil(waitMs / 1000)} s at the earliest`,
        evidence: { dispatchBy: msOf(open.dispatchBy), waitMs },
      });
    }
  }
  return ok(await change(actor, open, resolution, reason, options));
}

async function change(
  actor: Principal,
  open: OpenCall,
  resolution: Resolution,
  reason: string,
  { clock, store, keys, ledger }: ResolveOptions,
): Promise<Change<{ readonly entry: EntryId }>> {
  const at = clock.wall();
  const id = entryId(open.call, 2);
  const unknown = await ledger.entry(open.tenant, entryId(open.call, 1));
  const about = unknown?.entry ?? null;
  const outcome: Outcome =
    resolution === "done"
      ? { kind: "succeeded", isError: false }
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
    method: methodOf.person,
    subject: open.subject,
    versions: { identity: actor.version },
    decision: null,
    intentDigest: about?.intentDigest ?? null,
    stepDigest: open.stepDigest,
    outcome,
    commitments: {},
    after: unknown === null ? open.intentEntry : entryId(open.call, 1),
  };
  const scope = `day/${actor.tenant}/${actor.id}/${new Date(msOf(at)).toISOString().slice(0, 10)}`;
  const sealed = sealPayload(keys, await keys.scopeKey(scope), id, { note: { resolution, reason } });
  const settled = resolution === "done" ? "final" : "released";
  // A key is kept for a day: by now it may be gone, or another call's.
  const claim = open.claim === null ? null : await readClaim(store, open.tenant, open.claim);
  const place = claim?.call === open.call ? claim.place : null;
  return {
    writes: [
      entryWrite(entry, sealed).write,
      resolveCall(open.call),
      ...(place === null ? [] : [resettleClaim(open.tenant, place, open.call, settled, id)]),
    ],
    value: { entry: id },
    applied: () => ledger.noted(open.tenant),
  };
}
