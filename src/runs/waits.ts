import { childFates } from "../../contract/index.ts";
import type { Result, StoreMs } from "../base/index.ts";
import { elapsedMs, ok, refuse } from "../base/index.ts";
import type { RunRecord, RunWait } from "../ledger/index.ts";
import { unfinishedChildrenOf } from "../ledger/index.ts";
import type { Store } from "../store/index.ts";
import { childrenPerLook, waitsMax } from "./limits.ts";

/** A tool call of the run that people are asked about. It stands with the request, not in the run's row, so that the two cannot differ. */
export interface RunAsks {
  readonly step: string;
  /** The request's id. */
  readonly approval: string;
  readonly groups: readonly string[];
  readonly until: StoreMs;
  /** They have decided, and the agent has not come back for it. */
  readonly isDecided: boolean;
}

/** Everything that a run can stand in front of. */
export type Standing =
  | RunWait
  | ({ readonly kind: "approval" } & Pick<RunAsks, "step" | "approval" | "groups" | "until">)
  /** A run that it has started; `until` is when that one fails. */
  | {
      readonly kind: "child";
      readonly step: string;
      readonly child: string;
      readonly until: StoreMs | null;
    };

/** A timer whose instant has come stands in front of nothing any more; what waits for a signal does until it says that it gave up. */
export const pendingWaits = ({ waitsFor }: RunRecord, now: StoreMs): readonly RunWait[] =>
  waitsFor.filter((wait) => wait.kind === "signal" || elapsedMs(wait.until, now) > 0);

/** In front of people it stands until they have decided, or their time is over. */
export const pendingAsks = (asks: readonly RunAsks[], now: StoreMs): readonly Standing[] =>
  asks
    .filter(({ isDecided, until }) => !isDecided && elapsedMs(until, now) > 0)
    .map(({ step, approval, groups, until }) => ({ kind: "approval", step, approval, groups, until }));

/** What it has started stands with itself, like what people are asked: so the two cannot differ. */
export async function openChildren(
  { run, children }: RunRecord,
  store: Pick<Store, "list">,
): Promise<readonly Standing[]> {
  if (children === 0) return [];
  const open = await Promise.all(
    childFates.map((fate) => unfinishedChildrenOf(store, run, fate, childrenPerLook)),
  );
  return open.flat().map(({ name, parent, deadline }) => ({
    kind: "child",
    step: parent?.step ?? "",
    child: name,
    until: deadline,
  }));
}

/** What the run waits for together with `wait`. */
export function withWait(run: RunRecord, wait: RunWait, now: StoreMs): Result<readonly RunWait[]> {
  const others = pendingWaits(run, now).filter(({ step }) => step !== wait.step);
  if (others.length >= waitsMax)
    return refuse({ code: "conflict", detail: `the run waits for ${waitsMax} things already` });
  return ok([...others, wait]);
}

export const withoutWait = ({ waitsFor }: RunRecord, step: string): readonly RunWait[] =>
  waitsFor.filter((wait) => wait.step !== step);
