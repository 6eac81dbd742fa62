import type { Clock } from "../base/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import { entryWrite, markUnknown, openCallsOfNode, settleClaim } from "../ledger/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { entryId } from "./entries.ts";

export interface RecoveryOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly ledger: Ledger;
  /** This node, whose fence has just been raised: what lower fences hold, nobody works on any more. */
  readonly node: { readonly name: string; readonly fence: number };
}

const pageSize = 500;

/**
 * What an earlier process of this node left dispatched is written down as `unknown`, because nobody can say whether its bytes
 * had left. Returns how many. Runs before the node takes calls; a second run finds nothing.
 */
export async function recoverCalls(options: RecoveryOptions): Promise<number> {
  let recovered = 0;
  let after: OpenCall["call"] | undefined;
  for (;;) {
    const page = await openCallsOfNode(options.store, options.node.name, {
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
    for (const open of page) {
      if (open.state === "dispatched" && open.fence < options.node.fence && (await settle(open, options)))
        recovered++;
    }
    after = page.at(-1)?.call;
    if (page.length < pageSize) return recovered;
  }
}

async function settle(open: OpenCall, { clock, store, ledger }: RecoveryOptions): Promise<boolean> {
  const intent = await ledger.entry(open.tenant, open.intentEntry);
  if (intent === null) return false; // the ledger has lost an entry; `audit verify` names it
  const outcome = { kind: "unknown", code: "upstream-lost" } as const;
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
    markUnknown(open.call, { node: open.node, fence: open.fence }),
  ];
  if (open.claim !== null) writes.push(settleClaim(open.tenant, open.claim, open.call, outcome.kind, id));
  const verdict = await store.commit(writes);
  if (verdict.verdict === "done") ledger.noted(open.tenant);
  return verdict.verdict === "done";
}
