import type { ChildAnswer, ChildFate } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";
import { ChildFailed } from "./errors.ts";

export interface ChildOptions {
  /** How long from its start the child fails if it is still open. It never outlives its parent's deadline. */
  readonly deadlineMs?: number;
  /** What becomes of it when it is open at its parent's end: `cancel` (the default), or `leave`. */
  readonly atParentEnd?: ChildFate;
}

export interface ChildWishes extends ChildOptions {
  readonly agent: string;
  readonly input: unknown;
}

/** Starts the child of a step, or finds it, and waits for its end; where the process may rest, it need not be there meanwhile. */
export async function runChild(attempt: Attempt, key: string, wishes: ChildWishes): Promise<unknown> {
  const path = `/children/${encodeURIComponent(key)}`;
  const { agent, input, deadlineMs, atParentEnd } = wishes;
  const body = {
    attempt: attempt.number,
    agent,
    ...(input === undefined ? {} : { input }),
    ...(deadlineMs === undefined ? {} : { deadlineMs: Math.ceil(deadlineMs) }),
    ...(atParentEnd === undefined ? {} : { atParentEnd }),
  };
  const started = await attempt.ask<ChildAnswer>("POST", path, body, key);
  if (started.end !== null) return resultOf(started);
  const asked = new URLSearchParams({
    attempt: String(attempt.number),
    child: started.run,
    holdMs: String(attempt.holdMs),
  });
  return attempt.waitFor(started.run, async () => {
    const startedAt = performance.now();
    for (;;) {
      const found = await attempt.ask<ChildAnswer>("GET", `${path}?${asked.toString()}`, undefined, key);
      if (found.end !== null) return resultOf(found);
      await attempt.restIfLong(performance.now() - startedAt);
    }
  });
}

function resultOf({ run, name, end }: ChildAnswer): unknown {
  if (end?.state === "finished" && !end.isErased) return end.result;
  if (end === null) throw new Error(`the run "${name}" is open`);
  throw new ChildFailed({ run, name }, end);
}
