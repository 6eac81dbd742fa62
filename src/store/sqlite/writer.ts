import { parentPort, workerData } from "node:worker_threads";
import { Fault, invariant, systemClock } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { tablesWithout } from "../given-up.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Flusher } from "./flusher.ts";
import { openWriteConnection } from "./open.ts";
import type { FromWriter, ToWriter, WriterData } from "./protocol.ts";
import { absentIn, prepareSchema } from "./schema.ts";

/** The writer's thread: opens the write connection, says `ready` or `refused`, then answers one message at a time. */
function run(): void {
  invariant(parentPort, "writer.ts runs as a worker thread");
  const port = parentPort;
  const send = (message: FromWriter): void => port.postMessage(message);
  const { file, tables, dataVersion, bytesMax } = workerData as WriterData;
  try {
    const database = openWriteConnection(file, bytesMax);
    const byName = tablesByName(tables);
    prepareSchema(database, [...byName.values()], dataVersion);
    const absent = absentIn(database, [...byName.values()]);
    const flusher = new Flusher(database, tablesWithout(byName, absent));
    const checkpoints = new Checkpoints(database, systemClock);
    port.on("message", (message: ToWriter) => {
      if (message.kind === "flush") {
        send(flusher.flush(message));
        checkpoints.wrote(flusher.takeRows(), message.text.length + message.bytes.byteLength);
        return;
      }
      flusher.finish(message.toldMs);
      void checkpoints.stop().then(() => {
        database.close();
        send({ kind: "stopped" });
        port.close();
      });
    });
    send({ kind: "ready", absent });
  } catch (thrown) {
    send(refusal(thrown));
    port.close();
  }
}

function refusal(thrown: unknown): FromWriter {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof Fault) {
    return { kind: "refused", code: thrown.code, message, evidence: thrown.evidence };
  }
  return { kind: "refused", code: "store-unavailable", message, evidence: {} };
}

run();
