import type { Result } from "../base/index.ts";
import { elapsedMs, msOf, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId, EntryId } from "../ledger/index.ts";
import { readOpenCall } from "../ledger/index.ts";
import type { Change } from "../store/index.ts";
import type { SettlementParts } from "./settlement.ts";
import { settlementWrites } from "./settlement.ts";

/**
 *  done   it happened: the step is bound for good
 *  retry  it did not happen: the step may be entered again, as a new call whose intent names this record
 */
export const resolutions = ["done", "retry"] as const;
export type Resolution = (typeof resolutions)[number];

export interface ResolveOptions extends SettlementParts {
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
  const { entry, writes } = await settlementWrites(
    open,
    {
      actor,
      by: "person",
      happened: resolution === "done",
      isError: false,
      withheld: null,
      after: null,
      commitments: {},
      payload: { note: { resolution, reason } },
      sealedUnder: null,
    },
    options,
  );
  return ok({ writes, value: { entry }, applied: () => options.ledger.noted(open.tenant) });
}
