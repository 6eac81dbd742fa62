import { newId } from "../base/index.ts";
import { entryWrite } from "../ledger/index.ts";
import type { Entry } from "../ledger/index.ts";
import { entryId } from "./entries.ts";
import { principalIds } from "./principal-ids.ts";
import type { House } from "./house.ts";
import type { RefusalSummary } from "./refusal-bound.ts";

/** One entry for many refusals of one principal: how many, in `versions.refusals`, for there is nothing personal to seal. */
export async function writeSummary(house: House, summary: RefusalSummary): Promise<void> {
  const { principal, refusals } = summary;
  const at = house.clock.wall();
  const entry: Entry = {
    id: entryId(newId("sum", at, house.random), 0),
    kind: "summary",
    tenant: principal.tenant,
    at,
    call: null,
    run: null,
    step: null,
    principals: principalIds(principal),
    method: "tools/call",
    subject: null,
    versions: { identity: principal.version, refusals: String(refusals) },
    decision: null,
    intentDigest: null,
    stepDigest: null,
    outcome: null,
    commitments: {},
    after: null,
  };
  await house.store.commit([entryWrite(entry, null).write]);
  house.ledger.noted(entry.tenant);
}
