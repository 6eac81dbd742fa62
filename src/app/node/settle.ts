import { recoverCalls } from "../../calls/index.ts";
import { newestCheckpoints, recoveriesIn } from "../../ledger/index.ts";
import { Housekeeping } from "../data/housekeeping.ts";
import { beginReviews } from "../data/recovery.ts";
import type { Authority } from "./authority.ts";
import type { Data } from "./data.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** Before anything new begins: what a database has lost goes into review, and what an earlier process left open is recorded as unknown. */
export async function settle(site: Site, data: Data, trust: Trust, { registry }: Authority): Promise<void> {
  const { clock, random, log } = site.options;
  const { onTrouble, shutdown } = site;
  const { store, node, remembered, attendance } = data;
  const { keys, ledger, identities, acts, tenants } = trust;
  const reviewHouse = { clock, random, store, keys, ledger, identities, acts, log };
  if (await beginReviews(reviewHouse))
    await remembered.replace(await newestCheckpoints(store), await recoveriesIn(store));
  shutdown.add("leaving the roll calls", () => attendance.stop());
  await attendance.start(reviewHouse, node.holder, async () => {
    await Promise.all([identities.refreshIfChanged(), registry.catchUp()]);
  });
  const recovered = await recoverCalls({ clock, store, ledger, node });
  if (recovered > 0) {
    log.warn("calls of an earlier process have an unknown outcome: signalbox calls ls --state unknown", {
      recovered,
    });
  }
  // Entries that an earlier process wrote and did not sequence: the tail of every tenant is looked at once.
  for (const tenant of tenants()) ledger.noted(tenant);
  await site.open("the housekeeping", new Housekeeping({ clock, store, node, onTrouble }));
}
