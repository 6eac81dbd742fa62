import type { ChildFate, DeadReason, RunState } from "../../contract/index.ts";
import type { Clock, Random, StoreMs, WallMs } from "../base/index.ts";
import { msOf, newId, plusMs, storeMs, wallMs } from "../base/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { RowOf, Store, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import type { RunWait } from "./run-waits.ts";
import { waitsOf, waitsText } from "./run-waits.ts";
import type { EntryId, RunId } from "./shapes.ts";
import { runTable } from "./tables.ts";

export type RunEnd = Exclude<RunState, "open" | "review" | "dead">;

/** The run that started another one from a step of its own. */
export interface RunParent {
  readonly run: RunId;
  readonly step: string;
  /** Parents above the child: 1 = its parent has none. */
  readonly depth: number;
  /** What becomes of the child when it is still open at its parent's end. */
  readonly atEnd: ChildFate;
}

/** The node that drives a run's agent in a process of its own, which ends when the node does. */
export interface RunHolder {
  readonly node: string;
  readonly fence: number;
  /** When it was started; its attach is the next one. What is further was attached by somebody else, of whom the node knows nothing. */
  readonly attempt: number;
}

/** Over for good: nobody brings it back, unlike one that is dead or waits in review. */
export const isEnded = <R extends { readonly state: RunState }>(
  run: R,
): run is R & { readonly state: RunEnd } =>
  run.state !== "open" && run.state !== "review" && run.state !== "dead";

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
  /** Until then its agent counts as alive, unless it says so again. null = nobody is expected to work on it. */
  readonly aliveUntil: StoreMs | null;
  /** It fails when it is still open by then; null = it began under a version whose runs might take any time. */
  readonly deadline: StoreMs | null;
  readonly waitsFor: readonly RunWait[];
  /** What starts its agent again; null = nothing does. */
  readonly hook: string | null;
  /** From then on its hook may start the agent, unless it says meanwhile that it lives. null = not by itself. Of a dead run: until when people may have it retried. */
  readonly wakeAt: StoreMs | null;
  /** null = nobody drives it, or somebody who does not end with a node. */
  readonly holder: RunHolder | null;
  /** How often the hook has started the agent since it last recorded a step or put itself to rest. */
  readonly starts: number;
  /** How often its agent was lost since `lossesSince`, also where it had got on. */
  readonly losses: number;
  /** null = never. */
  readonly lossesSince: StoreMs | null;
  /** The newest entry that says why a start came to nothing; null = none did, or nobody knows. */
  readonly lossEntry: EntryId | null;
  /** null = it is not dead. */
  readonly deadReason: DeadReason | null;
  /** Since when it is not open; null = open. */
  readonly endedAt: WallMs | null;
  /** The entry of its end, with reason and result in its payload, or of its death; null = open. */
  readonly endEntry: EntryId | null;
  /** null = no run has started it. */
  readonly parent: RunParent | null;
  /** How many runs it has started, whatever has become of them. */
  readonly children: number;
  /** By the model steps on record. */
  readonly tokensUsed: number;
  /** Nothing more is asked of models when so many are used; null = any number may be. */
  readonly tokensMax: number | null;
}

/** How often an agent was lost, and since when that is counted. */
export type Losses = Pick<RunRecord, "losses" | "lossesSince">;

export interface NewRun {
  readonly aliveUntil: StoreMs | null;
  /** See `runDeadline`. */
  readonly deadline: StoreMs;
  readonly hook: string | null;
  /** Left out = no run starts it. */
  readonly parent?: RunParent | null;
  /** Left out = it may use any number of tokens. */
  readonly tokensMax?: number | null;
}

/** Every run ends, also one that nobody comes back to: a year's sleep, the longest there is, fits into it. */
const runLastsMsMax = 400 * 24 * 60 * 60_000;

/** `deadlineMs`: from now; null = nobody wishes for one. */
export const runDeadline = (now: StoreMs, deadlineMs: number | null): StoreMs =>
  plusMs(now, deadlineMs ?? runLastsMsMax);

/** First use makes the run with this principal as owner. The write fails when another call of the owner was faster: read again. */
export function newRun(
  owner: Principal,
  name: string,
  sources: { readonly clock: Clock; readonly random: Random },
  wishes: NewRun,
): { readonly run: RunRecord; readonly write: Write } {
  const createdAt = sources.clock.wall();
  const { parent = null, tokensMax = null } = wishes;
  const run: RunRecord = {
    ...wishes,
    parent,
    children: 0,
    tokensUsed: 0,
    tokensMax,
    run: newId("run", createdAt, sources.random) as RunId,
    tenant: owner.tenant,
    owner: owner.id,
    name,
    chain: [owner.id, ...owner.chain.map((identity) => identity.id)],
    attempt: 1,
    state: "open",
    createdAt,
    waitsFor: [],
    wakeAt: wishes.hook === null ? null : wishes.aliveUntil,
    holder: null,
    starts: 0,
    losses: 0,
    lossesSince: null,
    lossEntry: null,
    deadReason: null,
    endedAt: null,
    endEntry: null,
  };
  return {
    run,
    write: insert(runTable, {
      ...run,
      owner: ownerOf(owner),
      chain: JSON.stringify(run.chain),
      createdAt: msOf(createdAt),
      aliveUntil: msOrNull(run.aliveUntil),
      deadline: msOrNull(run.deadline),
      waitsFor: waitsText(run.waitsFor),
      wakeAt: msOrNull(run.wakeAt),
      ...holderColumns(null),
      lossesSince: null,
      endedAt: null,
      parent: parent?.run ?? null,
      parentStep: parent?.step ?? null,
      depth: parent?.depth ?? null,
      atParentEnd: parent?.atEnd ?? null,
      children: null,
      tokensUsed: null,
    }),
  };
}

/** The actor and on whose behalf it acts, as one name: for somebody else it is another owner, whose records it must not see. */
export const ownerOf = ({ id, chain }: Pick<Principal, "id" | "chain">): string =>
  [id, ...chain.map((identity) => identity.id)].join(" ");

/** An explicit attach. Fails when somebody attached meanwhile, or the run has ended. */
export const raiseAttempt = (run: RunRecord, aliveUntil: StoreMs): Write =>
  update(
    runTable,
    keyOf(run),
    { attempt: run.attempt + 1, ...aliveColumns(run, aliveUntil) },
    { attempt: run.attempt, state: "open" },
  );

/** Its agent lives: it is not taken for dead, nor started a second time, before then. Fails when the attempt was replaced. */
export const keepAlive = (run: RunRecord, aliveUntil: StoreMs): Write =>
  update(runTable, keyOf(run), aliveColumns(run, aliveUntil), { attempt: run.attempt, state: "open" });

const aliveColumns = (run: RunRecord, aliveUntil: StoreMs) => ({
  aliveUntil: msOf(aliveUntil),
  ...(run.hook === null ? {} : { wakeAt: msOf(aliveUntil) }),
});

/**
 * Its agent ends its process until `wakeAt`; null = until somebody wakes it. Fails when somebody has asked for it to be woken since the
 * run was read.
 */
export const putToRest = (run: RunRecord, wakeAt: StoreMs | null): Write =>
  update(
    runTable,
    keyOf(run),
    { ...nobody, wakeAt: msOrNull(wakeAt), starts: 0 },
    { attempt: run.attempt, state: "open", wakeAt: msOrNull(run.wakeAt) },
  );

/**
 * Something has come for an open run: its hook should start the agent, unless it lives. Also a check that it is open. Leaves a run
 * without a hook as it is.
 */
export const askToWake = (run: RunRecord, now: StoreMs): Write =>
  update(runTable, keyOf(run), run.hook === null ? {} : { wakeAt: msOf(now) }, { state: "open" });

/** What is on record of a start. */
export interface ClaimedStart {
  /** Of how many in a row. */
  readonly starts: number;
  /** Left out = they stay as they are. */
  readonly losses?: Losses;
  readonly holder: RunHolder | null;
}

/**
 * The right to start the agent now: nobody else starts it before `nextAt`. Fails when somebody was faster to start, rest, wake, end or
 * attach it, or it has said that it lives. `start` null = the right is not used, only looked at again at `nextAt`.
 */
export const claimStart = (run: RunRecord, nextAt: StoreMs, start: ClaimedStart | null): Write =>
  update(
    runTable,
    keyOf(run),
    {
      wakeAt: msOf(nextAt),
      ...(start === null
        ? {}
        : { starts: start.starts, ...holderColumns(start.holder), ...lossColumns(start.losses) }),
    },
    { attempt: run.attempt, state: "open", wakeAt: msOrNull(run.wakeAt) },
  );

/**
 * Its agent is known to be gone, as `loss` says: it may be started from `wakeAt` on. Fails when another one was started or attached, or it
 * has said meanwhile that it lives.
 */
export const loseAgent = (
  run: RunRecord,
  wakeAt: StoreMs,
  loss: { readonly entry: EntryId; readonly losses?: Losses },
): Write =>
  update(
    runTable,
    keyOf(run),
    { ...nobody, wakeAt: msOf(wakeAt), lossEntry: loss.entry, ...lossColumns(loss.losses) },
    {
      attempt: run.attempt,
      state: "open",
      aliveUntil: msOrNull(run.aliveUntil),
      ...holderColumns(run.holder),
    },
  );

/** A start came to nothing, and the next one comes at `wakeAt`. Fails when something has come for the run since. */
export const noteLoss = (run: RunRecord, entry: EntryId, wakeAt: StoreMs): Write =>
  update(
    runTable,
    keyOf(run),
    { lossEntry: entry, wakeAt: msOf(wakeAt), ...holderColumns(null) },
    { attempt: run.attempt, state: "open", wakeAt: msOrNull(run.wakeAt) },
  );

/**
 * It cannot go on by itself, and waits for people `until` then. What it waits for stays on record, for the case that somebody has it retried. Fails when it was attached,
 * ended or woken meanwhile, or has said that it lives.
 */
export const dieRun = (
  run: RunRecord,
  reason: DeadReason,
  death: { readonly at: WallMs; readonly entry: EntryId; readonly until: StoreMs },
): Write =>
  update(
    runTable,
    keyOf(run),
    {
      state: "dead",
      deadReason: reason,
      endedAt: msOf(death.at),
      endEntry: death.entry,
      ...nobody,
      wakeAt: msOf(death.until),
    },
    {
      attempt: run.attempt,
      state: "open",
      aliveUntil: msOrNull(run.aliveUntil),
      wakeAt: msOrNull(run.wakeAt),
    },
  );

/**
 * A dead run is open again and due at once, as if nothing had been lost so far. Of all who do so at once one succeeds, and nobody who means
 * an earlier death of it.
 */
export const reviveRun = (run: RunRecord, now: StoreMs, deadline: StoreMs | null): Write =>
  update(
    runTable,
    keyOf(run),
    {
      state: "open",
      deadReason: null,
      endedAt: null,
      endEntry: null,
      starts: 0,
      losses: 0,
      lossesSince: null,
      lossEntry: null,
      wakeAt: msOf(now),
      deadline: msOrNull(deadline),
    },
    { state: "dead", endEntry: run.endEntry },
  );

const lossColumns = (counted: Losses | undefined) =>
  counted === undefined ? {} : { losses: counted.losses, lossesSince: msOrNull(counted.lossesSince) };

const holderColumns = (holder: RunHolder | null) => ({
  holder: holder?.node ?? null,
  holderFence: holder?.fence ?? null,
  holderAttempt: holder?.attempt ?? null,
});

/** Nobody is at work on it. */
const nobody = { aliveUntil: null, ...holderColumns(null) };

/** Open runs whose agent may be started, over all tenants: by this hook alone, where one is named. */
export async function runsToWake(
  store: Reader,
  now: StoreMs,
  limit: number,
  hook?: string,
): Promise<readonly RunRecord[]> {
  const rows = await store.list(runTable, {
    ...(hook === undefined
      ? { index: "wake", equals: { state: "open" } }
      : { index: "wakeByHook", equals: { state: "open", hook } }),
    from: 0,
    upTo: msOf(now),
    limit,
  });
  return rows.map(runOf);
}

/** Runs whose agent this node drives, or drove when it died, over all tenants and fences; page with `after`. */
export async function runsHeldBy(
  store: Reader,
  node: string,
  page: { readonly after?: RunId; readonly limit: number },
): Promise<readonly RunRecord[]> {
  const rows = await store.list(runTable, { index: "holder", equals: { holder: node }, ...page });
  return rows.map(runOf);
}

/** What may move while a run is open. */
export interface RunChange {
  readonly waitsFor?: readonly RunWait[];
  readonly children?: number;
  readonly tokensUsed?: number;
  readonly tokensMax?: number | null;
}

/**
 * Nothing = a check that goes into a transaction. It got on, so starts are counted anew. Fails when it has ended, another attempt was
 * attached, or what changes was changed meanwhile.
 */
export function changeRun(run: RunRecord, change: RunChange): Write {
  return update(
    runTable,
    keyOf(run),
    { ...columnsOf(change), ...(run.starts === 0 ? {} : { starts: 0 }) },
    { attempt: run.attempt, state: "open", ...columnsOf(change, run) },
  );
}

/** The columns of what `change` names, as `from` has it. */
const columnsOf = (change: RunChange, from: RunChange = change) => ({
  ...(change.waitsFor === undefined ? {} : { waitsFor: waitsText(from.waitsFor ?? []) }),
  ...(change.children === undefined ? {} : { children: countOrNull(from.children ?? 0) }),
  ...(change.tokensUsed === undefined ? {} : { tokensUsed: countOrNull(from.tokensUsed ?? 0) }),
  ...(change.tokensMax === undefined ? {} : { tokensMax: from.tokensMax ?? null }),
});

/** That it is no further than it was, open or in front of a person: a check that goes into the transaction of whatever relies on it. */
export const proveUnfinished = (run: RunRecord): Write =>
  update(runTable, keyOf(run), {}, { state: run.state });

/**
 * Nothing more happens in it until it is released: every other write proves that it is open. Fails when its attempt was replaced or it has
 * ended.
 */
export const holdRun = (run: RunRecord): Write =>
  update(runTable, keyOf(run), { state: "review", ...nobody }, { attempt: run.attempt, state: "open" });

/** It goes on: its hook, where it has one, starts its agent. Fails when somebody was faster. */
export const releaseRun = (run: RunRecord, now: StoreMs): Write =>
  update(
    runTable,
    keyOf(run),
    { state: "open", ...(run.hook === null ? {} : { wakeAt: msOf(now), starts: 0 }) },
    { attempt: run.attempt, state: "review" },
  );

/**
 * The end of a run that is open, dead or in review, whatever it waited for. Fails when it stands otherwise meanwhile, another attempt was
 * attached, or it has started a child since.
 */
export const endRun = (
  run: RunRecord,
  state: RunEnd,
  end: { readonly at: WallMs; readonly entry: EntryId },
): Write =>
  update(
    runTable,
    keyOf(run),
    {
      state,
      deadReason: null,
      endedAt: msOf(end.at),
      endEntry: end.entry,
      ...nobody,
      wakeAt: null,
      waitsFor: null,
    },
    run.state === "dead"
      ? { attempt: run.attempt, state: "dead", endEntry: run.endEntry }
      : { attempt: run.attempt, state: run.state, children: countOrNull(run.children) },
  );

type Reader = Pick<Store, "get" | "list">;

/** Only under the owner's own id and chain: another principal's run looks like a missing one. */
export async function readRun(store: Reader, owner: Principal, name: string): Promise<RunRecord | null> {
  const row = await store.get(runTable, { tenant: owner.tenant, owner: ownerOf(owner), name });
  return row === null ? null : runOf(row);
}

/** For operators of the tenant. */
export async function runById(store: Reader, tenant: TenantId, run: RunId): Promise<RunRecord | null> {
  const row = await store.get(runTable, { run });
  return row === null || row.tenant !== tenant ? null : runOf(row);
}

/** For operators. By run id, descending, so roughly the newest first; page with `before`. */
export async function listRuns(
  store: Reader,
  tenant: TenantId,
  page: { readonly state?: RunState; readonly before?: RunId; readonly limit: number },
): Promise<readonly RunRecord[]> {
  const { state, before, limit } = page;
  const rows = await store.list(runTable, {
    ...(state === undefined
      ? { index: "tenant", equals: { tenant } }
      : { index: "state", equals: { tenant, state } }),
    order: "descending",
    // The bounds include what they name: one more is read, and the one that ended the page before is left out.
    ...(before === undefined ? {} : { upTo: before }),
    limit: before === undefined ? limit : limit + 1,
  });
  return rows
    .filter((row) => row.run !== before)
    .slice(0, limit)
    .map(runOf);
}

/** Runs that are to be ended, over all tenants, at most `limit` of each kind: open or in review past their deadline, and dead for too long. */
export async function overdueRuns(store: Reader, now: StoreMs, limit: number): Promise<readonly RunRecord[]> {
  const upTo = msOf(now);
  const past = (state: RunState, index: "deadline" | "wake") =>
    store.list(runTable, { index, equals: { state }, from: 0, upTo, limit });
  const rows = await Promise.all([
    past("open", "deadline"),
    past("review", "deadline"),
    past("dead", "wake"),
  ]);
  return rows.flat().map(runOf);
}

const keyOf = (run: RunRecord) => ({ tenant: run.tenant, owner: run.chain.join(" "), name: run.name });

/** As a row has it that was never changed. */
const countOrNull = (count: number): number | null => (count === 0 ? null : count);

const msOrNull = (at: StoreMs | null): number | null => (at === null ? null : msOf(at));

type RunRow = RowOf<typeof runTable.columns>;

// The casts name what `newRun` wrote: the store gives back what it was given.
export const runOf = (row: RunRow): RunRecord => ({
  run: row.run as RunId,
  tenant: row.tenant as TenantId,
  owner: row.owner.split(" ", 1)[0] as PrincipalId,
  name: row.name,
  chain: JSON.parse(row.chain) as PrincipalId[],
  attempt: row.attempt,
  state: row.state as RunState,
  createdAt: wallMs(row.createdAt),
  aliveUntil: row.aliveUntil === null ? null : storeMs(row.aliveUntil),
  deadline: row.deadline === null ? null : storeMs(row.deadline),
  waitsFor: waitsOf(row.waitsFor),
  hook: row.hook,
  wakeAt: row.wakeAt === null ? null : storeMs(row.wakeAt),
  holder: holderOf(row),
  starts: row.starts ?? 0,
  losses: row.losses ?? 0,
  lossesSince: row.lossesSince === null ? null : storeMs(row.lossesSince),
  lossEntry: row.lossEntry as EntryId | null,
  deadReason: row.deadReason as DeadReason | null,
  endedAt: row.endedAt === null ? null : wallMs(row.endedAt),
  endEntry: row.endEntry as EntryId | null,
  parent: parentOf(row),
  children: row.children ?? 0,
  tokensUsed: row.tokensUsed ?? 0,
  tokensMax: row.tokensMax,
});

const holderOf = ({ holder, holderFence, holderAttempt }: RunRow): RunHolder | null =>
  holder === null || holderFence === null || holderAttempt === null
    ? null
    : { node: holder, fence: holderFence, attempt: holderAttempt };

const parentOf = ({ parent, parentStep, depth, atParentEnd }: RunRow): RunParent | null =>
  parent === null || parentStep === null || depth === null || atParentEnd === null
    ? null
    : { run: parent as RunId, step: parentStep, depth, atEnd: atParentEnd as ChildFate };
