import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../base/index.ts";
import type { Copied } from "./open.ts";
import { copyPages, openCheckpointConnection } from "./open.ts";

/** What came of one round; null = it failed, and the writer has to do it by itself. */
export type FromCheckpointer = Copied | null;
export type ToCheckpointer = "copy" | "stop";

/**
 * A thread that copies pages from the write-ahead log into the data file while the writer goes on: most of that is waiting for the disk,
 * and every flush would wait with it.
 */
function run(): void {
  invariant(parentPort, "checkpointer.ts runs as a worker thread");
  const port = parentPort;
  const database = openCheckpointConnection(workerData as string);
  port.on("message", (asked: ToCheckpointer) => {
    if (asked === "copy") {
      port.postMessage(copied());
      return;
    }
    database.close();
    port.close();
  });

  function copied(): FromCheckpointer {
    try {
      return copyPages(database);
    } catch {
      return null; // the writer meets the same trouble, and says so
    }
  }
}

run();
