/**
 * worker: the program in which a node has one version of an agent driven; the node starts it and ends it. It knows its runs by name, asks for
 * everything over HTTP with the agent's short-lived token, as any attached agent does, and keeps nothing: a run that waits leaves the
 * process, and is driven again from its journal when what it waits for has come.
 */
import type { WorkerOrder, WorkerReport } from "../contract/index.ts";
import type { Agent } from "../sdk/index.ts";
import { AtRest, RunEnded, StaleAttempt } from "../sdk/index.ts";
import { loadAgent } from "./load-agent.ts";
import { Served } from "./served.ts";

let served: Served | null = null;

process.on("message", (order: WorkerOrder) => {
  switch (order.kind) {
    case "serve":
      void serve(order);
      break;
    case "token":
      served?.renew(order.owner, order.token);
      break;
    case "drive":
      void served
        ?.drive(order.run, order.owner)
        .then((trouble) => tell({ kind: "left", order: order.order, trouble }));
      break;
  }
});
// Without its node it can do nothing; whatever was under way is on record, and driven again by the next one.
process.once("disconnect", () => process.exit());
// Of a step that nobody awaits any more, because its run has left. One agent's mistake must not end the runs of all.
process.on("unhandledRejection", (reason) => {
  if (reason instanceof AtRest || reason instanceof StaleAttempt || reason instanceof RunEnded) return;
  tell({ kind: "trouble", reason: String(reason instanceof Error ? reason.stack : reason) });
});

async function serve(order: Extract<WorkerOrder, { kind: "serve" }>): Promise<void> {
  let agent: Agent;
  try {
    agent = await loadAgent(order);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    process.send?.({ kind: "unusable", reason } satisfies WorkerReport, () => process.exit(1));
    return;
  }
  served = new Served(agent, order);
  tell({ kind: "serving" });
}

function tell(report: WorkerReport): void {
  if (process.connected) process.send?.(report);
}
