import type { Clock, Random, WallMs } from "../base/index.ts";
import { msOf, newId, wallMs } from "../base/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { RowOf, Store, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import type { RunId } from "./shapes.ts";
import { runTable } from "./tables.ts";

export type RunState = "open" | "ended";

export interface RunRecord {
  readonly run: RunId;
  readonly tenant: TenantId;
  readonly owner: PrincipalId;
  /** Chosen by the owner; unique for it. */
  readonly name: string;
  /** The owner first, then on whose behalf, nearest first, as it was at creation. */
  readonly chain: readonly PrincipalId[];
  /** Starts at 1; only an explicit attach raises it. */
  readonly attempt: number;
  readonly state: RunState;
  readonly createdAt: WallMs;
}

/** First use makes the run with this principal as owner. The write fails when another call of the owner was faster: read again. */
export function newRun(
  owner: Principal,
  name: string,
  sources: { readonly clock: Clock; readonly random: Random },
): { readonly run: RunRecord; readonly write: Write } {
  const createdAt = sources.clock.wall();
  const run: RunRecord = {
    run: newId("run", createdAt, sources.random) as RunId,
    tenant: owner.tenant,
    owner: owner.id,
    name,
    chain: [owner.id, ...owner.chain.map((identity) => identity.id)],
    attempt: 1,
    state: "open",
    createdAt,
  };
  return {
    run,
    write: insert(runTable, {
      ...run,
      owner: ownerOf(owner),
      chain: JSON.stringify(run.chain),
      createdAt: msOf(createdAt),
    }),
  };
}

/** The actor and on whose behalf it acts, as one name: for somebody else it is another owner, whose records it must not see. */
export const ownerOf = ({ id, chain }: Pick<Principal, "id" | "chain">): string =>
  [id, ...chain.map((identity) => identity.id)].join(" ");

/** An explicit attach. Fails when somebody attached meanwhile. */
export const raiseAttempt = (run: RunRecord): Write =>
  update(runTable, keyOf(run), { attempt: run.attempt + 1 }, { attempt: run.attempt });

/** A check that goes into a transaction: the run still has this attempt and is open. */
export const attemptIsCurrent = (run: RunRecord): Write =>
  update(runTable, keyOf(run), {}, { attempt: run.attempt, state: "open" });

type Reader = Pick<Store, "get" | "list">;

/** Only under the owner's own id and chain: another principal's run looks like a missing one. */
export async function readRun(store: Reader, owner: Principal, name: string): Promise<RunRecord | null> {
  const row = await store.get(runTable, { tenant: owner.tenant, owner: ownerOf(owner), name });
  return row === null ? null : runOf(row);
}

/** For operators. By run id, ascending, so roughly by age; page with `after`. */
export async function listRuns(
  store: Reader,
  tenant: TenantId,
  page: { readonly after?: RunId; readonly limit: number },
): Promise<readonly RunRecord[]> {
  const rows = await store.list(runTable, {
    index: "tenant",
    equals: { tenant },
    ...(page.after === undefined ? {} : { after: page.after }),
    limit: page.limit,
  });
  return rows.map(runOf);
}

const keyOf = (run: RunRecord) => ({ tenant: run.tenant, owner: run.chain.join(" "), name: run.name });

// The casts name what `newRun` wrote: the store gives back what it was given.
const runOf = (row: RowOf<typeof runTable.columns>): RunRecord => ({
  run: row.run as RunId,
  tenant: row.tenant as TenantId,
  owner: row.owner.split(" ", 1)[0] as PrincipalId,
  name: row.name,
  chain: JSON.parse(row.chain) as PrincipalId[],
  attempt: row.attempt,
  state: row.state as RunState,
  createdAt: wallMs(row.createdAt),
});
