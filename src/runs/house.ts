import type { Clock, Random, Result } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Ledger, RunId } from "../ledger/index.ts";
import type { Hook } from "./hook.ts";
import type { RunAsks } from "./waits.ts";
import type { Store } from "../store/index.ts";

/** What it takes to put something on record in a run. */
export interface Records {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Pick<Ledger, "entry" | "payload" | "noted" | "review" | "doubt">;
}

export interface HostedRuns {
  readonly hook: string;
  readonly tokensMax: number | null;
  /** Of one whose start names none; null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  /** What it is given that is started with this; refused where it does not fit. */
  readonly inputOf: (input: unknown) => Result<unknown>;
}

/** The other rooms as this one sees them. */
export interface House extends Records {
  /** What can start agents again, by name. */
  readonly hooks: ReadonlyMap<string, Hook>;
  /** An act may have made a run due: whoever starts agents need not wait. */
  readonly onDue: () => void;
  /** Of new runs of a hosted agent of this name: what drives them, and the tokens they may use. null = the tenant has none. */
  readonly hostedOf: (tenant: TenantId, agent: string) => HostedRuns | null;
  /** Calls of a run that people are asked about, or have decided about while its agent was away. */
  readonly asksOf: (run: RunId) => Promise<readonly RunAsks[]>;
}
