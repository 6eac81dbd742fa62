import type { Approvals } from "../approvals/index.ts";
import type { Probed, Trying } from "../calls/index.ts";
import type { Clock, Random, Result, WallMs } from "../base/index.ts";
import type { Identities, Principal, TenantId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { CallId, Ledger } from "../ledger/index.ts";
import type { PolicyFile, PolicyProblem, PolicySet } from "../policy/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Runs } from "../runs/index.ts";
import type { Store, Table } from "../store/index.ts";
import type { Upstreams } from "../upstream/index.ts";
import type { Vault } from "../vault/index.ts";
import type { Acts } from "./act.ts";

/** The other rooms as the handlers see them. */
export interface Rooms {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Keys;
  readonly identities: Identities;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly approvals: Approvals;
  readonly policies: PolicyDesk;
  /** Whether the configuration file owns this tenant's policies; then they are read-only here. Left out: no tenant's. */
  readonly policiesComeFromFile?: (tenant: TenantId) => boolean;
  readonly upstreams: UpstreamDesk;
  readonly hosting: HostingDesk;
  /** Who waits in a run hears of what an act did to it. */
  readonly runs: Pick<Runs, "changed" | "standing" | "isOrphan" | "retryWrites" | "resumeWrites">;
  readonly calls: CallDesk;
  readonly node: NodeFacts;
  /** All that the store holds besides its own: what a backup is made of. */
  readonly tables: readonly Table[];
  /** Where the node listens, without a path; null = not yet. */
  readonly ownUrl: () => string | null;
  /** How browsers reach it from outside, without a path; null or left out = as it listens. */
  readonly publicUrl?: string | null;
  /** How long a node's lease lasts: a call may be resolved as "retry" one lease after its last moment of dispatch. */
  readonly leaseMs: number;
  /** A bug of ours or a ledger that cannot be written: for the log and an alarm. Must not throw. */
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** What `app` wires between policy texts and the sets in force. */
export interface PolicyDesk {
  /** For a tenant without policies of its own: the node's defaults. */
  current(tenant: TenantId): PolicySet;
  /** Compiles against this tenant's present servers and tools; puts nothing in force. */
  compile(tenant: TenantId, files: readonly PolicyFile[]): Result<PolicySet, readonly PolicyProblem[]>;
  /** Why the active texts are not what is in force; null = they are. */
  trouble(tenant: TenantId): readonly PolicyProblem[] | null;
  /** The active version has changed durably: put it in force. */
  reload(tenant: TenantId): void;
}

/** The agents that the configuration has runs started of. */
export interface HostingDesk {
  /** In whose name a new run of this agent is, and what drives it. */
  find(tenant: TenantId, agent: string): Result<HostedAgentDesk>;
}

interface HostedAgentDesk {
  readonly owner: Principal;
  readonly hook: string;
  /** Of a run whose start names none; null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  /** What a run is given that is started with this; refused where it does not fit. */
  readonly inputOf: (input: unknown) => Result<unknown>;
  /** Of each new run; null = any number. */
  readonly tokensMax: number | null;
}

interface UpstreamDesk extends Pick<Upstreams, "probeNow" | "snapshot" | "authorizations"> {}

interface CallDesk {
  readonly callsUnderWay: number;
  trying(call: CallId): Trying | null;
  probed(tool: string): Probed | null;
}

interface NodeFacts {
  readonly name: string;
  readonly fence: number;
  readonly startedAt: WallMs;
  /** Of Signalbox. */
  readonly version: string;
  /** Of the language runtime. */
  readonly runtime: string;
}

export interface House extends Rooms {
  readonly acts: Acts;
  /** One at a time: each holds the store's past for as long as it takes. */
  readonly backups: { isUnderWay: boolean };
}
