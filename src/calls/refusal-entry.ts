import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import { readRun } from "../ledger/index.ts";
import { entryId } from "./entries.ts";
import type { Known } from "./entries.ts";
import type { House } from "./house.ts";
import type { Written } from "./write-entry.ts";
import { committed, writeEntry } from "./write-entry.ts";

/**
 * The one entry of a call that we said no to. The first call of a run makes the run also when it is refused: its entry names the
 * run and is sealed with it, so that erasing the run takes it along. Null = the entry's place is taken by an intent whose writing
 * had seemed to fail; recovery says what became of that. Rejects with the store's Fault.
 */
export async function writeRefusal(
  house: House,
  call: Known,
  refusal: Refusal,
): Promise<ReceiptReference | null> {
  const first = await write(house, call, refusal);
  if (first.verdict.verdict === "done") return first.receipt;
  if (first.verdict.index === 0 || call.run === null || call.run === undefined) return null;
  // Another call of the owner has made the run meanwhile.
  const record = await readRun(house.store, call.principal, call.run.record.name);
  if (record === null) return null;
  const second = await write(
    house,
    Object.assign(call, { run: { ...call.run, record, creation: null } }),
    refusal,
  );
  return second.verdict.verdict === "done" ? second.receipt : null;
}

function write(house: House, call: Known, refusal: Refusal): Promise<Written> {
  const salt = call.salt ?? null;
  const text = salt === null ? undefined : call.argumentsText;
  const sealed =
    salt === null || text === undefined
      ? {}
      : { salt: Buffer.from(salt).toString("base64"), arguments: text };
  return writeEntry(
    house,
    call,
    {
      kind: "outcome",
      id: entryId(call.id, 0),
      outcome: { kind: "refused", code: refusal.code },
      commitments: salt === null || text === undefined ? {} : { arguments: committed(salt, text) },
      after: null,
    },
    { ...sealed, note: { name: call.input.name, detail: refusal.detail, ...refusal.evidence } },
    call.run?.creation ? [call.run.creation] : [],
  );
}
