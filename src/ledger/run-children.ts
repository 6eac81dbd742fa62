import type { ChildFate } from "../../contract/index.ts";
import type { Store } from "../store/index.ts";
import type { RunRecord } from "./run-records.ts";
import { runOf } from "./run-records.ts";
import type { RunId } from "./shapes.ts";
import { runTable } from "./tables.ts";

type Reader = Pick<Store, "list">;

/** In the order of their beginning, whatever has become of them. */
export async function childrenOf(store: Reader, parent: RunId, limit: number): Promise<readonly RunRecord[]> {
  const rows = await store.list(runTable, { index: "parent", equals: { parent }, limit });
  return rows.map(runOf);
}

/** Those that are open and share this fate. */
export async function openChildrenOf(
  store: Reader,
  parent: RunId,
  atParentEnd: ChildFate,
  limit: number,
): Promise<readonly RunRecord[]> {
  const equals = { parent, atParentEnd, state: "open" };
  return (await store.list(runTable, { index: "children", equals, limit })).map(runOf);
}
