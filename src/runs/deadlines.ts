import { Rounds } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { overdueRuns } from "../ledger/index.ts";
import { endingWrites } from "./end.ts";
import { deadForMs } from "./limits.ts";
import type { Records } from "./house.ts";

/** A deadline is for what has gone wrong, so a few seconds late is in time. */
const everyMs = 5_000;
/** What is left over is taken at the next look. */
const runsPerLook = 256;

export interface DeadlinesOptions extends Records {
  /** In whose name a tenant's runs are ended; null = the tenant is gone. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** Fails runs that have not ended at their deadline, so that every run ends, whatever became of its agent and of the people it waits for. */
export class Deadlines {
  private readonly options: DeadlinesOptions;
  private readonly rounds: Rounds;

  constructor(options: DeadlinesOptions) {
    this.options = options;
    this.rounds = new Rounds({ clock: options.clock, everyMs, round: () => this.look() });
  }

  start(): void {
    this.rounds.start();
  }

  /** Safe to call twice. */
  stop(): Promise<void> {
    return this.rounds.stop();
  }

  private async look(): Promise<void> {
    const { store, ledger, nodeOf, onTrouble } = this.options;
    try {
      for (const run of await overdueRuns(store, await store.now(), runsPerLook)) {
        const node = nodeOf(run.tenant);
        if (node === null) continue;
        const ending = { state: "failed", reason: reasonFor(run) } as const;
        const { writes } = await endingWrites(node, run, ending, this.options);
        // When its agent was faster to end it, or attached anew, this fails and the next look decides.
        if ((await store.commit(writes)).verdict === "done") ledger.noted(run.tenant);
      }
    } catch (thrown) {
      onTrouble("ending runs whose deadline has passed", thrown);
    }
  }
}

function reasonFor({ state }: RunRecord): string {
  if (state === "dead") return `it was dead, and nobody had it retried within ${deadForMs / 86_400_000} days`;
  return state === "review" ? "its deadline passed while it waited to be released" : "its deadline passed";
}
