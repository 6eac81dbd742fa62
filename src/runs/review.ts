import type { Principal } from "../identity/index.ts";
import type { Recovery, RunRecord } from "../ledger/index.ts";
import { holdRun, listRuns } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { Records } from "./house.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";

/** Two writes each: half of what a transaction may hold. */
const runsPerPage = 128;

/**
 * Every open run of the node's tenant waits for an operator from here on, each with an entry that says why. Answers with how many there
 * were; a second time finds none. For the start of a node, before anything goes on in a run.
 */
export async function holdOpenRuns(node: Principal, recovery: Recovery, house: Records): Promise<number> {
  for (let held = 0; ;) {
    const page = await listRuns(house.store, node.tenant, { state: "open", limit: runsPerPage });
    if (page.length === 0) return held;
    const writes = await Promise.all(page.map((run) => holding(node, run, recovery, house)));
    // Somebody may be faster with some of them, or still be at work in them: those come again with the next page, or do not.
    const isWhole = (await house.store.commit(writes.flat())).verdict === "done";
    const each = isWhole ? [] : await Promise.all(writes.map((own) => house.store.commit(own)));
    house.ledger.noted(node.tenant);
    held += isWhole ? page.length : each.filter(({ verdict }) => verdict === "done").length;
  }
}

async function holding(
  node: Principal,
  run: RunRecord,
  { reason, detail }: Recovery,
  house: Records,
): Promise<readonly Write[]> {
  const salt = house.random.bytes(saltBytes);
  const nothing = { step: null, stepDigest: null, input: null, output: null } as const;
  const draft = { kind: "run", method: "runs/held", salt, ...nothing, note: { reason, detail } } as const;
  const entry = await prepareEntry(node, run, draft, house);
  return [holdRun(run), entry.write];
}
