import type { ChildFate, RunState } from "../../contract/index.ts";
import type { Store } from "../store/index.ts";
import type { RunEnd, RunRecord } from "./run-records.ts";
import { runOf } from "./run-records.ts";
import type { RunId } from "./shapes.ts";
import { runTable } from "./tables.ts";

type Reader = Pick<Store, "list">;

const unfinished = ["open", "review", "dead"] as const satisfies readonly Exclude<RunState, RunEnd>[];

/** In the order of their beginning, whatever has become of them. */
export async function childrenOf(store: Reader, parent: RunId, limit: number): Promise<readonly RunRecord[]> {
  const rows = await store.list(runTable, { index: "parent", equals: { parent }, limit });
  return rows.map(runOf);
}

/** Those that are not over and share this fate: open, or in front of a person. */
export async function unfinishedChildrenOf(
  store: Reader,
  parent: RunId,
  atParentEnd: ChildFate,
  limit: number,
): Promise<readonly RunRecord[]> {
  const found = await Promise.all(
    unfinished.map((state) =>
      store.list(runTable, { index: "children", equals: { parent, atParentEnd, state }, limit }),
    ),
  );
  return found.flat().slice(0, limit).map(runOf);
}
