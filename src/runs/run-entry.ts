import type { ReceiptReference } from "../../contract/index.ts";
import { commitment, newId } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { DataKey } from "../keys/index.ts";
import type { Entry, EntryId, EntryKind, LedgerEntry, Payload, RunRecord } from "../ledger/index.ts";
import { entryWrite, sealPayload } from "../ledger/index.ts";
import type { Change, Write } from "../store/index.ts";
import type { Records } from "./house.ts";

/** What an entry in a run says beyond who and which run. Texts are JSON; null = there is none. */
export interface RunEntry {
  readonly kind: Extract<EntryKind, "step" | "run">;
  readonly method: `${"steps" | "runs"}/${string}`;
  readonly step: string | null;
  readonly stepDigest: Entry["stepDigest"];
  readonly salt: Uint8Array;
  /** What it was made from. */
  readonly input: string | null;
  /** To `input`, under `salt`, where it has been made already. */
  readonly inputCommitment?: string;
  /** What came of it. */
  readonly output: string | null;
  /** A commitment, under the same salt, to what is kept elsewhere. Left out: there is nothing. */
  readonly content?: string;
  readonly note: NonNullable<Payload["note"]> | null;
}

export interface PreparedEntry {
  readonly id: EntryId;
  readonly at: Entry["at"];
  readonly write: Write;
  readonly receipt: ReceiptReference;
}

/** An entry under the run's own key, so that one erasure takes the whole run. `actor` is its owner, or who acts on the run. */
export async function prepareEntry(
  actor: Principal,
  run: RunRecord,
  draft: RunEntry,
  house: Records,
): Promise<PreparedEntry> {
  const made = house.keys.scopeKey(scopeOf(run));
  return entryUnder(made instanceof Promise ? await made : made, actor, run, draft, house);
}

/** The entry of a run that is made in the same transaction, and the run's key with it. */
export function prepareFirstEntry(
  actor: Principal,
  run: RunRecord,
  draft: RunEntry,
  house: Records,
): Change<PreparedEntry> {
  const { value: key, writes, applied } = house.keys.newScopeKey(scopeOf(run));
  const entry = entryUnder(key, actor, run, draft, house);
  return { writes: [entry.write, ...writes], value: entry, applied };
}

const scopeOf = ({ tenant, run }: RunRecord): string => `run/${tenant}/${run}`;

function entryUnder(
  key: DataKey,
  actor: Principal,
  run: RunRecord,
  draft: RunEntry,
  { clock, random, keys }: Records,
): PreparedEntry {
  const { kind, method, step, stepDigest, salt, input, output, content, note } = draft;
  const at = clock.wall();
  const id = `${newId(kind === "step" ? "step" : "evt", at, random)}:0` as EntryId;
  const commitments: Record<string, string> = {};
  if (input !== null) commitments["arguments"] = draft.inputCommitment ?? commitment(salt, input);
  if (output !== null) commitments["result"] = commitment(salt, output);
  if (content !== undefined) commitments["content"] = content;
  const entry: Entry = {
    id,
    kind,
    tenant: run.tenant,
    at,
    call: null,
    run: run.run,
    step,
    principals: [actor.id, ...actor.chain.map((identity) => identity.id)],
    method,
    subject: null,
    versions: { identity: actor.version, attempt: String(run.attempt) },
    decision: null,
    intentDigest: null,
    stepDigest,
    outcome: null,
    commitments,
    after: null,
  };
  const payload: Payload = {
    salt: Buffer.from(salt).toString("base64"),
    ...(input === null ? {} : { arguments: input }),
    ...(output === null ? {} : { result: output }),
    ...(note === null ? {} : { note }),
  };
  const { write, leafHashText } = entryWrite(entry, sealPayload(keys, key, id, payload));
  return { id, at, write, receipt: { entry: id, leaf: leafHashText } };
}

export const saltBytes = 16;

/** What a record answers with: the same at every asking. */
export const receiptOf = ({ entry, leafHash }: LedgerEntry): ReceiptReference => ({
  entry: entry.id,
  leaf: Buffer.from(leafHash).toString("base64"),
});
