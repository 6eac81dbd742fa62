import { expect, test } from "vitest";
import { ManualClock, seededRandom } from "../base/index.ts";
import { Acts } from "../admin/index.ts";
import { Identities, defaultTenant } from "../identity/index.ts";
import { Keys } from "../keys/index.ts";
import { Ledger, recoveryWrite } from "../ledger/index.ts";
import { MemoryDatabase, openMemoryStore, raiseEpoch } from "../store/index.ts";
import { createLog } from "../telemetry/index.ts";
import { allTables } from "./node.ts";
import { beginReviews } from "./recovery.ts";

test("nodes that start at once on a store that was brought back begin one review together", async () => {
  const clock = new ManualClock();
  const database = new MemoryDatabase(allTables);
  const houseOf = async (name: string) => {
    const store = openMemoryStore({ tables: allTables, clock, database });
    await store.start();
    const random = seededRandom(name);
    const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
    await keys.start();
    const ledger = new Ledger({ store, keys, clock, installationId: "box", holder: name });
    await ledger.start();
    const identities = new Identities({ store, keys, clock, random });
    await identities.start();
    const first = identities.bootstrap();
    if (first.ok && first.value.writes.length > 0) await store.commit(first.value.writes);
    await identities.refreshIfChanged();
    const log = createLog({ level: "fatal", destination: { kind: "stderr" }, clock });
    return {
      clock,
      random,
      store,
      keys,
      ledger,
      identities,
      acts: new Acts({ store, keys, ledger, clock, random }),
      log,
    };
  };
  const one = await houseOf("one");
  const others = [await houseOf("two"), await houseOf("three")];
  const recovery = { at: clock.wall(), reason: "restored", detail: "by a test" } as const;
  await raiseEpoch(one.store, 60_000, [recoveryWrite("rec_1", recovery)]);
  const begun = await Promise.all([one, ...others].map(beginReviews));
  expect(begun).toContain(true);
  for (const { ledger } of [one, ...others]) {
    await ledger.reviewsChanged();
    expect(ledger.review(defaultTenant)).toMatchObject({ reason: "restored" });
  }
  const acts = (await one.ledger.list(defaultTenant, { limit: 50 })).filter(
    ({ entry }) => entry.method === "admin.review.begin",
  );
  expect(acts).toHaveLength(1);
});
