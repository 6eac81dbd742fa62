import type { Clock, Random } from "../../base/index.ts";
import { invariant, newId } from "../../base/index.ts";
import type { Store } from "../../store/index.ts";
import { insert } from "../../store/index.ts";
import { installationTable } from "./tables.ts";

const only = "installation";

/** Whether this data has been started before: then there are things sealed under its key. */
export async function hasStartedBefore(store: Store): Promise<boolean> {
  return (await store.get(installationTable, { only })) !== null;
}

/** The id this data was created with; made at the first start. */
export async function installationId(store: Store, clock: Clock, random: Random): Promise<string> {
  const found = await store.get(installationTable, { only });
  if (found !== null) return found.id;
  await store.commit([insert(installationTable, { only, id: newId("sbx", clock.wall(), random) })]);
  const made = await store.get(installationTable, { only });
  invariant(made !== null, "the installation has an id after its first start");
  return made.id;
}
