import type { Clock } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { OpenCall, Outcome } from "../ledger/index.ts";
import { closeCall, entryWrite, listOpenCalls, markUnknown, openCallsOfNode } from "../ledger/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { claimSettled } from "./claim-settled.ts";
import { entryId } from "./entries.ts";
import { taskTable } from "./tables.ts";

export interface RecoveryOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly ledger: Ledger;
  /** A node whose fence has just been raised: what lower fences hold, nobody works on any more. */
  readonly node: { readonly name: string; readonly fence: number };
}

const pageSize = 500;

/**
 * What an earlier process of this node, or a node that died, left dispatched is written down as `unknown`, because nobody can say
 * whether its bytes had left. Returns how many. A second run finds nothing.
 */
export async function recoverCalls(options: RecoveryOptions): Promise<number> {
  let recovered = 0;
  let after: OpenCall["call"] | undefined;
  for (;;) {
    const page = await openCallsOfNode(options.store, options.node.name, {
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
    // Side by side: their transactions share flushes, and a dead node may have left thousands.
    const settled = page.map(
      async (open) =>
        open.state === "dispatched" &&
        open.fence < options.node.fence &&
        (await settleOpen(open, lost, options)),
    );
    recovered += (await Promise.all(settled)).filter(Boolean).length;
    after = page.at(-1)?.call;
    if (page.length < pageSize) return recovered;
  }
}

/**
 * The same for a tenant of a store that was brought back to an earlier state, whoever held them: nobody of now does, of those in `states`.
 * What waited for input may have been given it since; what waits for its task is asked for by the task's id, as ever. `floor`: fences below
 * it are of before.
 */
export async function recoverFromBefore(
  tenant: TenantId,
  floor: number,
  states: readonly ("dispatched" | "waiting")[],
  options: Omit<RecoveryOptions, "node">,
): Promise<number> {
  let recovered = 0;
  for (const state of states) {
    for await (const open of openCallsIn(tenant, state, options.store)) {
      if (open.fence >= floor) continue;
      const isTask = (await options.store.get(taskTable, { call: open.call })) !== null;
      if (!(state === "waiting" && isTask) && (await settleOpen(open, lost, options))) recovered++;
    }
  }
  return recovered;
}

async function* openCallsIn(
  tenant: TenantId,
  state: "dispatched" | "waiting",
  store: Store,
): AsyncGenerator<OpenCall> {
  let after: OpenCall["call"] | undefined;
  for (;;) {
    const page = await listOpenCalls(store, tenant, state, {
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
    yield* page;
    after = page.at(-1)?.call;
    if (page.length < pageSize) return;
  }
}

const lost: Outcome = { kind: "unknown", code: "upstream-lost" };

/** Writes down how a dispatched call ended that nobody drives any more. False when somebody else did, or its intent is gone. */
export async function settleOpen(
  open: OpenCall,
  outcome: Outcome,
  { clock, store, ledger }: Pick<RecoveryOptions, "clock" | "store" | "ledger">,
): Promise<boolean> {
  const intent = await ledger.entry(open.tenant, open.intentEntry);
  if (intent === null) return false; // the ledger has lost an entry; `audit verify` names it
  const id = entryId(open.call, 1);
  const entry = {
    ...intent.entry,
    kind: "outcome" as const,
    id,
    at: clock.wall(),
    outcome,
    after: open.intentEntry,
  };
  const writes: Write[] = [
    entryWrite(entry, null).write,
    outcome.kind === "unknown"
      ? markUnknown(open.call, open, open.state === "waiting" ? "waiting" : "dispatched")
      : closeCall(open.call, open, open.state === "waiting" ? "waiting" : "dispatched"),
  ];
  const claim = await claimSettled(open, outcome, id, store);
  if (claim !== null) writes.push(claim);
  const verdict = await store.commit(writes);
  if (verdict.verdict === "done") ledger.noted(open.tenant);
  return verdict.verdict === "done";
}
