import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { canonicalJson, commitment, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { changeRun } from "../ledger/index.ts";
import type { RowOf, Write } from "../store/index.ts";
import { insert, remove } from "../store/index.ts";
import type { House } from "./house.ts";
import { memoryBytesMax, memoryBytesOfRunMax, racesMax, slotsMax, snapshotsPerSlotMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun, ownRun } from "./open-run.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import { contentTable, snapshotTable } from "./tables.ts";

export interface Snapshot {
  readonly slot: string;
  /** From 1. */
  readonly version: number;
  /** Names these contents in this run: the same contents have the same one, and nobody without the run's key can tell of what. */
  readonly digest: string;
  readonly bytes: number;
}

export interface SavedSnapshot extends Snapshot {
  /** null = the newest of the slot was just like it, so nothing was written. */
  readonly receipt: ReceiptReference | null;
}

/**
 * Keeps what the agent wants to remember, as the newest snapshot of a slot. Of each slot the newest few are kept. The bound on all of a
 * run is read before it is proven, so two slots that are written at the same moment can exceed it by one snapshot.
 */
export async function saveMemory(
  owner: Principal,
  speaker: Speaker,
  slot: string,
  content: unknown,
  house: House,
): Promise<Result<SavedSnapshot>> {
  const text = canonicalJson(content);
  const bytes = Buffer.byteLength(text);
  if (bytes > memoryBytesMax)
    return refuse({
      code: "body-too-large",
      detail: `it has ${bytes} bytes; a snapshot holds ${memoryBytesMax}`,
    });
  for (let races = 0; races < racesMax; races++) {
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    const digest = await digestOf(run.value, text, house);
    const all = await snapshotsOf(run.value, house);
    const ofSlot = all.filter((row) => row.slot === slot);
    const newest = ofSlot.at(-1);
    if (newest?.digest === digest) return ok({ ...snapshotOf(newest), receipt: null });
    const dropped = ofSlot.slice(0, Math.max(0, ofSlot.length + 1 - snapshotsPerSlotMax));
    const problem = boundProblem(all, slot, bytes, dropped);
    if (problem !== null) return refuse({ code: "body-too-large", detail: problem });
    const snapshot = { slot, version: (newest?.version ?? 0) + 1, digest, bytes };
    const receipt = await written(owner, run.value, snapshot, text, dropped, house);
    if (receipt !== null) return ok({ ...snapshot, receipt });
  }
  return refuse({ code: "conflict", detail: `others keep writing "${slot}" at the same moment` });
}

/** The newest snapshot of a slot, or the one of this digest, also of a run that has ended. null = there is none. */
export async function readMemory(
  owner: Principal,
  name: string,
  slot: string,
  digest: string | null,
  house: House,
): Promise<Result<(Snapshot & { readonly content: unknown }) | null>> {
  const run = await ownRun(owner, name, house);
  if (!run.ok) return run;
  const { store, keys } = house;
  const [row] = await store.list(snapshotTable, {
    ...(digest === null
      ? { index: "key", equals: { run: run.value.run, slot } }
      : { index: "digest", equals: { run: run.value.run, slot, digest } }),
    order: "descending",
    limit: 1,
  });
  if (row === undefined) return ok(null);
  const { version } = row;
  const kept = await store.get(contentTable, { run: row.run, slot, version });
  if (kept === null) return ok(null); // dropped between our two looks
  const key = await keys.existingScopeKey(keyScope(run.value));
  if (key === null || !keys.isSealedBy(key, kept.sealed))
    return refuse({ code: "erased", detail: `what "${slot}" held was erased` });
  const text = Buffer.from(keys.open(key, kept.sealed, boundTo(run.value, slot, version))).toString("utf8");
  return ok({ ...snapshotOf(row), content: JSON.parse(text) as unknown });
}

async function written(
  owner: Principal,
  run: RunRecord,
  snapshot: Snapshot,
  text: string,
  dropped: readonly SnapshotRow[],
  house: House,
): Promise<ReceiptReference | null> {
  const { store, keys, random, ledger } = house;
  const { slot, version } = snapshot;
  const salt = random.bytes(saltBytes);
  const entry = await prepareEntry(
    owner,
    run,
    {
      kind: "run",
      method: "runs/memory",
      step: null,
      stepDigest: null,
      salt,
      input: null,
      output: null,
      content: commitment(salt, text),
      note: { ...snapshot },
    },
    house,
  );
  const key = await keys.scopeKey(keyScope(run));
  const sealed = keys.seal(key, text, boundTo(run, slot, version));
  const { verdict } = await store.commit([
    changeRun(run, {}),
    insert(snapshotTable, { run: run.run, ...snapshot }),
    insert(contentTable, { run: run.run, slot, version, sealed }),
    ...dropped.flatMap(dropping),
    entry.write,
  ]);
  if (verdict !== "done") return null;
  ledger.noted(run.tenant);
  return entry.receipt;
}

type SnapshotRow = RowOf<typeof snapshotTable.columns>;

const dropping = ({ run, slot, version }: SnapshotRow): Write[] => [
  remove(snapshotTable, { run, slot, version }),
  remove(contentTable, { run, slot, version }),
];

const snapshotsOf = (run: RunRecord, { store }: House): Promise<readonly SnapshotRow[]> =>
  store.list(snapshotTable, {
    index: "key",
    equals: { run: run.run },
    limit: slotsMax * snapshotsPerSlotMax,
  });

/** Why it has no room; null = it has. */
function boundProblem(
  all: readonly SnapshotRow[],
  slot: string,
  bytes: number,
  dropped: readonly SnapshotRow[],
): string | null {
  const slots = new Set(all.map((row) => row.slot)).add(slot);
  if (slots.size > slotsMax) return `a run has at most ${slotsMax} slots`;
  const sum = (rows: readonly SnapshotRow[]) => rows.reduce((total, row) => total + row.bytes, 0);
  const total = sum(all) - sum(dropped) + bytes;
  return total > memoryBytesOfRunMax
    ? `the run would remember ${total} bytes; at most ${memoryBytesOfRunMax} are kept`
    : null;
}

async function digestOf(run: RunRecord, text: string, { keys }: House): Promise<string> {
  return keys.hmac(await keys.scopeKey(keyScope(run)), `memory ${text}`).toString("hex");
}

const keyScope = (run: RunRecord): string => `run/${run.tenant}/${run.run}`;

/** Sealed bytes moved to another place do not open. */
const boundTo = (run: RunRecord, slot: string, version: number): string =>
  `memory ${run.run} ${slot} ${version}`;

const snapshotOf = ({ slot, version, digest, bytes }: SnapshotRow): Snapshot => ({
  slot,
  version,
  digest,
  bytes,
});
