import type { Clock, Random } from "../base/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Store } from "../store/index.ts";

/** The other rooms as this one sees them. */
export interface House {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Pick<Ledger, "entry" | "payload" | "noted">;
}
