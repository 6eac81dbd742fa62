import type { Result } from "../base/index.ts";
import { invariant, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { newRun, raiseAttempt, readRun, runDeadline } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { House } from "./house.ts";
import { aliveForMs, deadlineMsMax, racesMax } from "./limits.ts";
import { inReview, noNewName } from "./open-run.ts";
import type { RunEntry } from "./run-entry.ts";
import { prepareEntry, prepareFirstEntry, saltBytes } from "./run-entry.ts";

export interface AttachWishes {
  /** From the run's beginning; heard at the first attach alone. null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  /** What starts the agent again when it has died, by its name in the configuration; likewise. null = nothing does. */
  readonly hook?: string | null;
  /** Tokens that its model steps may use; likewise. null = any number. */
  readonly tokensMax?: number | null;
}

export interface Attached {
  /** As it is now: with the new attempt, or as it ended. */
  readonly run: RunRecord;
  readonly isNew: boolean;
}

/**
 * A process of the agent begins to work on its run: whatever an earlier one still sends is refused from now on. The first attach
 * makes the run, and one that has ended stays as it is.
 */
export async function attach(
  owner: Principal,
  name: string,
  wishes: AttachWishes,
  house: House,
): Promise<Result<Attached>> {
  invariant(
    wishes.deadlineMs === null || (wishes.deadlineMs > 0 && wishes.deadlineMs <= deadlineMsMax),
    `a deadline is at most ${deadlineMsMax} ms away`,
  );
  for (let races = 0; races < racesMax; races++) {
    const now = await house.store.now();
    const aliveUntil = plusMs(now, aliveForMs);
    const found = await readRun(house.store, owner, name);
    if (found?.state === "review") return refuse(inReview(name));
    if (found !== null && found.state !== "open") return ok({ run: found, isNew: false });
    if (found !== null) {
      const run = { ...found, attempt: found.attempt + 1, aliveUntil };
      if (await isWritten(owner, run, raiseAttempt(found, aliveUntil), house))
        return ok({ run, isNew: false });
      continue;
    }
    const held = noNewName(owner, name, house);
    if (held !== null) return refuse(held);
    const deadline = runDeadline(now, wishes.deadlineMs);
    const hook = wishes.hook ?? null;
    if (hook !== null && house.hooks.get(hook)?.isFor(owner) !== true)
      return refuse({
        code: "invalid-params",
        detail: `there is no hook "${hook}" for you in the configuration`,
      });
    const { run, write } = newRun(owner, name, house, {
      aliveUntil,
      deadline,
      hook,
      tokensMax: wishes.tokensMax ?? null,
    });
    if (await isMade(owner, run, write, house)) return ok({ run, isNew: true });
  }
  return refuse({ code: "conflict", detail: `others keep attaching to "${name}" at the same moment` });
}

async function isWritten(owner: Principal, run: RunRecord, write: Write, house: House): Promise<boolean> {
  const entry = await prepareEntry(owner, run, draftOf(run, house), house);
  const { verdict } = await house.store.commit([write, entry.write]);
  if (verdict === "done") house.ledger.noted(run.tenant);
  return verdict === "done";
}

async function isMade(owner: Principal, run: RunRecord, write: Write, house: House): Promise<boolean> {
  const { writes, applied } = prepareFirstEntry(owner, run, draftOf(run, house), house);
  const { verdict } = await house.store.commit([write, ...writes]);
  if (verdict !== "done") return false;
  applied();
  house.ledger.noted(run.tenant);
  return true;
}

function draftOf({ name }: RunRecord, { random }: House): RunEntry {
  const nothing = { step: null, stepDigest: null, input: null, output: null, note: { name } };
  return { kind: "run", method: "runs/attach", salt: random.bytes(saltBytes), ...nothing };
}
