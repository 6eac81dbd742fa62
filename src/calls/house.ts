import type { Clock, Random } from "../base/index.ts";
import type { Gate } from "../dispatch/index.ts";
import type { Keys } from "../keys/index.ts";
import type { CallId, Ledger } from "../ledger/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import type { Upstreams } from "../upstream/index.ts";
import type { Vault } from "../vault/index.ts";
import type { CallAnswer } from "./call.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { StoreClock } from "./store-clock.ts";
import type { Unsettled } from "./unsettled.ts";
import type { Validators } from "./validators.ts";

/** The other rooms as the stations see them, and the little that calls share among themselves. */
export interface House {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly policies: { current(tenant: TenantId): PolicySet };
  readonly vault: Vault;
  readonly gate: Gate;
  readonly upstreams: Pick<Upstreams, "exchange">;
  readonly limits: CallLimits;
  /** This node's name and its lease's fence: who holds a call that is under way. */
  readonly node: { readonly name: string; readonly fence: number };
  readonly validators: Validators;
  readonly storeClock: StoreClock;
  readonly retryBudget: RetryBudget;
  /** Repeat-safe calls this node drives right now; a second arrival joins the first one's answer. */
  readonly underWay: Map<CallId, Promise<CallAnswer>>;
  /** Calls whose end could not be written yet. */
  readonly unsettled: Unsettled;
  readonly isStopping: () => boolean;
  /** About `ms`, with jitter of half of it. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface CallLimits {
  /** Calls between `admit` and their answer, on this node. */
  readonly callsInFlightMax: number;
  readonly perPrincipalCallsMax: number;
  /** From the durable intent to the first byte; an intent older than this is never dispatched. */
  readonly dispatchWindowMs: number;
}
