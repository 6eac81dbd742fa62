import type { Result, StoreMs } from "../base/index.ts";
import { elapsedMs, ok, refuse } from "../base/index.ts";
import type { RunRecord, RunWait } from "../ledger/index.ts";
import { waitsMax } from "./limits.ts";

/** A timer whose instant has come stands in front of nothing any more; what waits for a signal does until it says that it gave up. */
export const pendingWaits = ({ waitsFor }: RunRecord, now: StoreMs): readonly RunWait[] =>
  waitsFor.filter((wait) => wait.kind === "signal" || elapsedMs(wait.until, now) > 0);

/** What the run waits for together with `wait`. */
export function withWait(run: RunRecord, wait: RunWait, now: StoreMs): Result<readonly RunWait[]> {
  const others = pendingWaits(run, now).filter(({ step }) => step !== wait.step);
  if (others.length >= waitsMax)
    return refuse({ code: "conflict", detail: `the run waits for ${waitsMax} things already` });
  return ok([...others, wait]);
}

export const withoutWait = ({ waitsFor }: RunRecord, step: string): readonly RunWait[] =>
  waitsFor.filter((wait) => wait.step !== step);
