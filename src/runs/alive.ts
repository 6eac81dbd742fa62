import type { Result } from "../base/index.ts";
import { ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import { keepAlive } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { aliveForMs } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";

/**
 * The agent says that it lives: its lease on the run, with the attempt as its fence. Leaves no entry, for it says nothing about what
 * was done. Refused when another attempt was attached or the run has ended: then this process should stop.
 */
export async function stayAlive(owner: Principal, speaker: Speaker, house: House): Promise<Result<number>> {
  const run = await openRun(owner, speaker, house);
  if (!run.ok) return run;
  const aliveUntil = plusMs(await house.store.now(), aliveForMs);
  const { verdict } = await house.store.commit([keepAlive(run.value, aliveUntil)]);
  if (verdict === "done") return ok(aliveForMs);
  const changed = await openRun(owner, speaker, house);
  return changed.ok
    ? refuse({ code: "conflict", detail: "the run was changed at the same moment" })
    : changed;
}
