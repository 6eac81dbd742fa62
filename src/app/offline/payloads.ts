import { join } from "node:path";
import { explain, systemClock, systemRandom } from "../../base/index.ts";
import type { PayloadOpener } from "../../ledger/index.ts";
import { openPayload } from "../../ledger/index.ts";
import { Keys } from "../../keys/index.ts";
import type { ReadStore } from "../../store/index.ts";
import type { Config } from "../config/config.ts";
import { keyFileName, readKeyFile } from "../data/key-file.ts";
import { readOnlyStore } from "./read-only-store.ts";

/** What opens the sealed payloads of data that no node has open; a string is the reason why nothing here can. */
export async function offlinePayloads(
  store: ReadStore,
  { file, otherFiles }: Config["keys"],
  directory: string,
): Promise<PayloadOpener | string> {
  try {
    const keys = new Keys({
      store: readOnlyStore(store),
      random: systemRandom,
      clock: systemClock,
      kek: readKeyFile(file ?? join(directory, keyFileName)),
      previousKeks: otherFiles.map(readKeyFile),
    });
    await keys.check();
    return (entry, sealed) => openPayload(keys, entry, sealed);
  } catch (thrown) {
    return explain(thrown);
  }
}
