import type { Approvals } from "../approvals/index.ts";
import type { Clock, Random } from "../base/index.ts";
import type { Gate } from "../dispatch/index.ts";
import type { Keys } from "../keys/index.ts";
import type { CallId, Holder, Ledger } from "../ledger/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import type { Ask, AskAnswer, Upstreams } from "../upstream/index.ts";
import type { Vault } from "../vault/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { ParkedAt } from "./round.ts";
import type { Intended, Planned } from "./stages.ts";
import type { StoreClock } from "./store-clock.ts";
import type { Unsettled } from "./unsettled.ts";
import type { Validators } from "./validators.ts";
import type { Patience } from "./within-time.ts";

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
  readonly approvals: Approvals;
  readonly gate: Gate;
  readonly upstreams: Pick<Upstreams, "exchange" | "catalogueFor" | "watchResource">;
  readonly limits: CallLimits;
  /** This node's name and its lease's fence: who holds a call that is under way. */
  readonly node: { readonly name: string; readonly fence: number };
  readonly validators: Validators;
  readonly storeClock: StoreClock;
  readonly retryBudget: RetryBudget;
  /** Repeat-safe calls this node drives right now; a second arrival joins the first one's answer. */
  readonly underWay: Map<CallId, Promise<CallAnswer>>;
  /** Calls held open for an answer of their caller. */
  readonly parking: ParkedCalls;
  /** Asks verify tools about calls whose outcome is unknown. */
  readonly verifying: Verifying;
  /** The principal under which this installation itself acts in a tenant; null = there is no such tenant. */
  readonly serviceOf: (tenant: TenantId) => Principal | null;
  readonly tenants: () => readonly TenantId[];
  /** Something of ours failed: for the log and an alarm. */
  readonly onTrouble: (doing: string, thrown: unknown) => void;
  /** Calls whose end could not be written yet. */
  readonly unsettled: Unsettled;
  /** Drives a call whose caller has come back for it and asks later what became of it. */
  readonly comeBack: (input: CallInput) => void;
  readonly isStopping: () => boolean;
  /** About `ms`, with jitter of half of it. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Calls that are held open for an answer of their caller; `parking.ts` is what keeps them. */
export interface ParkedCalls {
  ask(call: Intended, ask: Ask, house: House): Promise<AskAnswer>;
  answer(park: ParkedAt, call: Planned, house: House): Promise<CallAnswer | null>;
  /** null = it is not parked here, or whoever joins cannot be given its questions. */
  join(call: CallId, by: Planned, house: House): Promise<CallAnswer> | null;
  take(
    id: string,
    inputs: Readonly<Record<string, unknown>>,
    patience: Patience,
    house: House,
  ): Promise<CallAnswer | null>;
  close(): void;
}

export interface Verifying {
  /** Null = the call's outcome is no longer unknown. A text = patience or hope has come to an end, and why. */
  join(call: CallId, patience: Patience, house: House): Promise<string | null>;
}

export interface CallLimits {
  /** Calls between `admit` and their answer, on this node. */
  readonly callsInFlightMax: number;
  /** From the durable intent to the first byte; an intent older than this is never dispatched. */
  readonly dispatchWindowMs: number;
  /** A call is surely not sent any more once its dispatch-by and one lease of its node have passed. */
  readonly leaseMs: number;
}

/** Proof of holding a call, for the ledger's writes. */
export const holderOf = ({ node }: House): Holder => ({ node: node.name, fence: node.fence });
