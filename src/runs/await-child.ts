import type { Result } from "../base/index.ts";
import { elapsedMs, ok } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunId } from "../ledger/index.ts";
import type { Child } from "./child.ts";
import { lookAtChild } from "./child.ts";
import type { House } from "./house.ts";
import { lookEveryMs } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import type { Patience } from "./wait.ts";

/** Holds the request until the child has ended, or there is no more patience. Its end is told on this node, and looked for anyway. */
export async function awaitChild(
  owner: Principal,
  speaker: Speaker,
  child: RunId,
  { holdMs, signal, arrivals }: Patience,
  house: House,
): Promise<Result<Child>> {
  const startedAt = house.clock.monotonic();
  for (;;) {
    const looked = await lookAtChild(owner, speaker, child, house);
    if (!looked.ok) return looked;
    const heldMs = elapsedMs(house.clock.monotonic(), startedAt);
    const isOver = heldMs >= holdMs || signal.aborted || arrivals.closed;
    if (looked.value.child.end !== null || isOver) return ok(looked.value.child);
    const sleepMs = Math.max(1, Math.ceil(Math.min(lookEveryMs, holdMs - heldMs)));
    await arrivals.next(looked.value.parent.run, sleepMs, signal);
  }
}
