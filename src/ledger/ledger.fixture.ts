import { ManualClock, commitment, seededRandom, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/memory/index.ts";
import { entryWrite } from "./leaf.ts";
import { Ledger } from "./ledger.ts";
import { sealPayload } from "./payload.ts";
import { Sequencer } from "./sequencer.ts";
import type { LedgerAlert } from "./sequencing.ts";
import type { Witness } from "./witness.ts";
import type { WitnessAlert } from "./witnessing.ts";
import type { CallId, Entry, EntryId } from "./shapes.ts";
import { ledgerTables } from "./tables.ts";

export const acme = "acme" as TenantId;
export const tables = [...keyTables, ...ledgerTables];

/** An entry of call number `n`; for an outcome, after its intent. */
export function sampleEntry(n: number, kind: "intent" | "outcome" | "act", more: Partial<Entry> = {}): Entry {
  const call = `call_${String(n).padStart(6, "0")}` as CallId;
  const id = `${call}:${kind === "outcome" ? 1 : 0}` as EntryId;
  return {
    id,
    kind,
    tenant: acme,
    at: wallMs(1_767_225_600_000 + n),
    call: kind === "act" ? null : call,
    run: null,
    step: null,
    principals: ["agent/a" as never],
    method: kind === "act" ? "admin.server.add" : "tools/call",
    subject: "srv_1/pay",
    versions: { policy: "1" },
    decision: { effect: "allow", policies: ["p1"] },
    intentDigest: null,
    stepDigest: null,
    outcome: kind === "outcome" ? { kind: "succeeded", isError: false } : null,
    commitments: {},
    after: kind === "outcome" ? (`${call}:0` as EntryId) : null,
    ...more,
  };
}

/** A ledger on a memory store, with time that moves when told. */
export async function openedLedger(
  options: {
    database?: MemoryDatabase;
    clock?: ManualClock;
    holder?: string;
    witnesses?: readonly Witness[];
    witnessQuorum?: number;
  } = {},
) {
  const clock = options.clock ?? new ManualClock();
  const database = options.database ?? new MemoryDatabase(tables);
  const store = openMemoryStore({ tables, clock, database });
  await store.start();
  const random = seededRandom("ledger");
  const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
  await keys.start();
  const alerts: (LedgerAlert | WitnessAlert)[] = [];
  const ledger = new Ledger({
    store,
    keys,
    clock,
    installationId: "box-1",
    ...(options.holder === undefined ? {} : { holder: options.holder }),
    witnesses: options.witnesses ?? [],
    witnessQuorum: options.witnessQuorum ?? 1,
    onAlert: (alert) => alerts.push(alert),
  });
  const sequencer = () => new Sequencer({ store, keys, clock, tenant: acme, origin: ledger.origin(acme) });
  const write = async (...entries: Entry[]) => {
    for (const entry of entries) await store.commit([entryWrite(entry, null).write]);
  };
  /** With a payload under the day's key, committed to as `calls` does. */
  const writeSealed = async (entry: Entry, text: string) => {
    const salt = random.bytes(16);
    const key = await keys.scopeKey("day/acme/agent/a/2026-01-01");
    const sealed = sealPayload(keys, key, entry.id, {
      salt: Buffer.from(salt).toString("base64"),
      arguments: text,
    });
    const committed = { ...entry, commitments: { arguments: commitment(salt, text) } };
    await store.commit([entryWrite(committed, sealed).write]);
  };
  /** Sequences everything that is there, `batches` entries of work at a time. */
  const sequenceAll = async () => {
    const one = sequencer();
    while (!(await one.sequence()).isDone);
  };
  return { clock, database, store, keys, ledger, alerts, sequencer, write, writeSealed, sequenceAll };
}

/** Lets promises that are ready run, without moving the clock. */
export async function settled(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (await condition()) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
  throw new Error("the condition did not come about");
}
