import { ManualClock, ok, seededRandom } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { LedgerEntry, RunId } from "../ledger/index.ts";
import { Ledger, ledgerTables } from "../ledger/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import type { FaultOptions, MemoryStore } from "../store/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/index.ts";
import type { Hook } from "./hook.ts";
import type { House } from "./house.ts";
import { Runs } from "./runs.ts";
import { runsTables } from "./tables.ts";
import type { RunAsks } from "./waits.ts";

export const runTables = [...keyTables, ...ledgerTables, ...runsTables];

export const agent: Principal = {
  id: "agent/a" as never,
  kind: "agent",
  name: "a",
  roles: [],
  tenant: "acme" as never,
  chain: [],
  version: "1",
};
export const otherAgent: Principal = { ...agent, id: "agent/b" as never, name: "b" };

export interface RunsWorld {
  readonly clock: ManualClock;
  readonly database: MemoryDatabase;
  readonly store: MemoryStore;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly runs: Runs;
  readonly hooks: ReadonlyMap<string, Hook>;
  readonly asksOf: (run: RunId) => Promise<readonly RunAsks[]>;
  /** Oldest first. */
  readonly entries: () => Promise<readonly LedgerEntry[]>;
}

/** The room over a memory store; another one over the same database is the node after a restart. */
export async function openRuns(
  over: {
    readonly clock?: ManualClock;
    readonly database?: MemoryDatabase;
    readonly seed?: string;
    readonly faults?: FaultOptions;
    readonly hooks?: ReadonlyMap<string, Hook>;
    readonly hostedOf?: House["hostedOf"];
    /** People are asked about nothing, unless the test says so. */
    readonly asksOf?: (run: RunId) => Promise<readonly RunAsks[]>;
  } = {},
): Promise<RunsWorld> {
  const clock = over.clock ?? new ManualClock();
  const database = over.database ?? new MemoryDatabase(runTables);
  const store = openMemoryStore({
    tables: runTables,
    clock,
    database,
    ...(over.faults === undefined ? {} : { faults: over.faults }),
  });
  await store.start();
  const random = seededRandom(over.seed ?? "runs");
  const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
  await keys.start();
  const ledger = new Ledger({ store, keys, clock, installationId: "box-1" });
  const hooks = over.hooks ?? new Map<string, Hook>();
  const asksOf = over.asksOf ?? (() => Promise.resolve([]));
  const anyAgent: House["hostedOf"] = (_tenant, name) =>
    name === "nobody" ? null : { hook: `${name}@1`, tokensMax: null, deadlineMs: null, inputOf: ok };
  const hostedOf = over.hostedOf ?? anyAgent;
  const onDue = () => undefined;
  const runs = new Runs({ clock, random, store, keys, ledger, hooks, hostedOf, asksOf, onDue });
  const entries = async () => (await ledger.list(agent.tenant, { limit: 1_000 })).toReversed();
  return { clock, database, store, keys, ledger, runs, hooks, asksOf, entries };
}

/** The value, or the refusal as an error that names it. */
export async function value<T>(
  result: Promise<{ ok: true; value: T } | { ok: false; refusal: { code: string; detail: string } }>,
): Promise<T> {
  const found = await result;
  if (!found.ok) throw new Error(`${found.refusal.code}: ${found.refusal.detail}`);
  return found.value;
}
