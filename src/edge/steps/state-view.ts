import type { Shape } from "../../api/index.ts";
import type { StoreMs } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { Ended, RunRecord, Standing } from "../../runs/index.ts";
import type { runState } from "./shapes.ts";

/** A run as its owner sees it. Instants are the store's, so they go out as what is left until then. */
export function stateView(
  run: RunRecord,
  waits: readonly Standing[],
  end: Ended | null,
  now: StoreMs,
): Shape<typeof runState> {
  const leftMs = (at: StoreMs | null) => (at === null ? null : Math.max(0, elapsedMs(at, now)));
  return {
    run: run.run,
    name: run.name,
    attempt: run.attempt,
    state: run.state,
    isAlive: (leftMs(run.aliveUntil) ?? 0) > 0,
    waitsFor: waits.map((wait) => ({
      kind: wait.kind,
      step: wait.step,
      signal: wait.kind === "signal" ? wait.signal : null,
      approval: wait.kind === "approval" ? wait.approval : null,
      child: wait.kind === "child" ? wait.child : null,
      groups: wait.kind === "approval" ? wait.groups : [],
      leftMs: leftMs(wait.until),
    })),
    deadlineLeftMs: leftMs(run.deadline),
    tokens: { used: run.tokensUsed, max: run.tokensMax },
    end,
  };
}
