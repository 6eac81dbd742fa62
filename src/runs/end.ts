import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { canonicalJson, invariant, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunEnd, RunRecord } from "../ledger/index.ts";
import { askToWake, endRun, runById } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { House, Records } from "./house.ts";
import { outputBytesMax, racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun, ownRun } from "./open-run.ts";
import type { RunEntry } from "./run-entry.ts";
import { prepareEntry, receiptOf, saltBytes } from "./run-entry.ts";
import { endedParentTable } from "./tables.ts";

/** How a run ends: with a result, or with a reason why not. */
export type Ending =
  | { readonly state: "finished"; readonly result: unknown }
  | { readonly state: "failed" | "cancelled"; readonly reason: string };

export interface Ended {
  /** `dead`: not an end, but nothing happens in it until somebody has it retried. */
  readonly state: RunEnd | "dead";
  readonly result: unknown;
  readonly reason: string | null;
  readonly isErased: boolean;
  readonly receipt: ReceiptReference;
}

/** Ends the owner's run. An end that is on record already is given back as it is: the first one counts. */
export async function end(
  owner: Principal,
  speaker: Speaker,
  ending: Exclude<Ending, { readonly state: "cancelled" }>,
  house: House,
): Promise<Result<Ended>> {
  if (ending.state === "finished") {
    const bytes = Buffer.byteLength(canonicalJson(ending.result));
    if (bytes > outputBytesMax) {
      const detail = `the result has ${bytes} bytes; at most ${outputBytesMax} are kept`;
      return refuse({ code: "body-too-large", detail });
    }
  }
  for (let races = 0; races < racesMax; races++) {
    const found = await ownRun(owner, speaker.name, house);
    if (!found.ok) return found;
    const { state, attempt } = found.value;
    if (state !== "open" && state !== "review" && attempt === speaker.attempt)
      return ok(await endOf(found.value, house));
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    const { writes, receipt } = await endingWrites(owner, run.value, ending, house);
    const { verdict } = await house.store.commit(writes);
    if (verdict !== "done") continue;
    house.ledger.noted(run.value.tenant);
    return ok({
      state: ending.state,
      // As it will come back from the record, the order of members included.
      result: ending.state === "finished" ? (JSON.parse(canonicalJson(ending.result)) as unknown) : null,
      reason: ending.state === "finished" ? null : ending.reason,
      isErased: false,
      receipt,
    });
  }
  return refuse({ code: "conflict", detail: `others keep changing the run at the same moment` });
}

/** The writes of a run's end, for whoever ends it: its owner, a person, its deadline. They fail when it, or whether its parent is open, has changed meanwhile. */
export async function endingWrites(
  actor: Principal,
  run: RunRecord,
  ending: Ending,
  house: Records,
): Promise<{ readonly writes: readonly Write[]; readonly receipt: ReceiptReference }> {
  const isFinished = ending.state === "finished";
  const draft: RunEntry = {
    kind: "run",
    method: `runs/${ending.state}`,
    step: null,
    stepDigest: null,
    salt: house.random.bytes(saltBytes),
    input: null,
    output: isFinished ? canonicalJson(ending.result) : null,
    note: isFinished ? null : { reason: ending.reason },
  };
  const entry = await prepareEntry(actor, run, draft, house);
  return {
    writes: [
      endRun(run, ending.state, { at: entry.at, entry: entry.id }),
      entry.write,
      ...(await familyWrites(run, house)),
    ],
    receipt: entry.receipt,
  };
}

/** Whoever has started the run may go on, and what it has started itself has to be ended. */
async function familyWrites(run: RunRecord, { store }: Records): Promise<readonly Write[]> {
  const writes: Write[] = [];
  const parent = run.parent === null ? null : await runById(store, run.tenant, run.parent.run);
  if (parent?.state === "open") writes.push(askToWake(parent, await store.now()));
  if (run.children > 0) writes.push(insert(endedParentTable, { run: run.run, tenant: run.tenant }));
  return writes;
}

/** The end on record of a run that has one, or why it is dead. */
export async function endOf(run: RunRecord, house: Records): Promise<Ended> {
  invariant(
    run.state !== "open" && run.state !== "review" && run.endEntry !== null,
    "a run that is not open has its end, or its death, on record",
  );
  const found = await house.ledger.entry(run.tenant, run.endEntry);
  invariant(found !== null, `the entry ${run.endEntry} of a run's end is in the ledger`);
  const opened = await house.ledger.payload(found);
  const payload = opened === null || opened.erased ? null : opened.payload;
  const reason = payload?.note?.["reason"];
  return {
    state: run.state,
    result: payload?.result === undefined ? null : (JSON.parse(payload.result) as unknown),
    reason: typeof reason === "string" ? reason : null,
    isErased: opened?.erased === true,
    receipt: receiptOf(found),
  };
}
