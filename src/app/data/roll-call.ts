import type { Clock } from "../../base/index.ts";
import { Rounds, delay } from "../../base/index.ts";
import type { Doubt } from "../../ledger/index.ts";
import { newestCheckpoints, recoveriesIn } from "../../ledger/index.ts";
import type { RollCall, Store } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { ReviewHouse } from "./recovery.ts";
import { beginReviews, recordLoss } from "./recovery.ts";
import type { RememberedCheckpoints } from "./remembered-checkpoints.ts";

/** Effects wait for it. Most roll calls are over with the second look. */
const lookEveryMs = 250;

export interface AttendanceOptions {
  readonly clock: Clock;
  readonly store: Store;
  /** null = nobody else writes the store, so it cannot become another while it is open. */
  readonly rollCall: RollCall | null;
  readonly doubt: Doubt;
  /** Who does not answer for so long is given up: its lease has run out, and nothing that it may still send is on its way. */
  readonly silentMs: number;
  readonly remembered: RememberedCheckpoints;
  readonly log: Log;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * This node's part in a roll call: it is in doubt until everybody has found what was acknowledged to it, or what was lost is in review.
 *
 *     doubt ──► everybody has answered, nothing is gone ────────────────────────────► effects go on
 *        │
 *        └────► something is gone, or somebody was silent ──► recovery, reviews ────► effects go on
 *                                                             (one node, once)
 */
export class Attendance {
  private readonly options: AttendanceOptions;
  private readonly rounds: Rounds;
  private house: ReviewHouse | null = null;
  private holder = "";
  private caughtUp: () => Promise<void> = () => Promise.resolve();

  constructor(options: AttendanceOptions) {
    this.options = options;
    const round = async () => {
      try {
        if (!options.doubt.isOn) return;
        await this.attend();
        if (!options.doubt.isOn)
          options.log.info("what was confirmed by the database is there, or in review: effects are sent");
      } catch (thrown) {
        options.onTrouble("finding out whether the database has lost anything", thrown);
      }
    };
    this.rounds = new Rounds({ clock: options.clock, everyMs: lookEveryMs, round });
    if (options.rollCall !== null) options.doubt.begin();
  }

  /**
   * For a start, before what the node remembers is compared: waits until everybody has answered or is given up. What was lost is on record
   * then, as a recovery.
   */
  async decided(): Promise<void> {
    const { rollCall, silentMs, clock, store, log } = this.options;
    if (rollCall === null) return;
    for (let looks = 0; ; looks++) {
      const standing = await rollCall.look(silentMs);
      if (standing === null) return;
      if (standing.hasLost) return recordLoss(store, standing.epoch, clock);
      if (looks === 0)
        log.info("other nodes have not said yet whether the database has all that was confirmed to them", {
          ...standing,
        });
      await delay(clock, lookEveryMs);
    }
  }

  /**
   * Resolves when this node is in no doubt, and stays attentive. After its reviews have begun, before it takes calls. `caughtUp` resolves when
   * the configuration is known here as it is in the store, and rejects when the store has forgotten what was known.
   */
  async start(house: ReviewHouse, holder: string, caughtUp: () => Promise<void>): Promise<void> {
    if (this.options.rollCall === null) return;
    this.house = house;
    this.holder = holder;
    this.caughtUp = caughtUp;
    while (this.options.doubt.isOn) {
      await this.attend();
      if (this.options.doubt.isOn) await delay(this.options.clock, lookEveryMs);
    }
    this.rounds.start();
  }

  /** Safe to call twice. */
  stop(): Promise<void> {
    return this.rounds.stop();
  }

  private async attend(): Promise<void> {
    const { doubt, rollCall, silentMs } = this.options;
    const { house } = this;
    if (rollCall === null || house === null) return;
    const which = doubt.newest;
    const standing = await rollCall.look(silentMs);
    if (standing?.hasLost === true) return this.review(rollCall, standing.epoch, house);
    if (standing !== null) return;
    // Calls are let through by what this node knows of reviews: it has to know those that began before the roll call ended.
    await house.ledger.reviewsChanged();
    await this.caughtUp();
    await this.remember();
    doubt.end(which);
  }

  /** One node does it for all; when it dies of it, another does the rest. */
  private async review(rollCall: RollCall, epoch: number, house: ReviewHouse): Promise<void> {
    const { store, silentMs } = this.options;
    const lease = await store.acquireLease("app/recovery", this.holder, silentMs);
    if (lease === null) return;
    try {
      await recordLoss(store, epoch, house.clock);
      await beginReviews(house);
      await rollCall.end(epoch);
    } finally {
      await store.releaseLease(lease);
    }
  }

  /** From here on the recoveries of now explain nothing any more that is missing. */
  private async remember(): Promise<void> {
    const { remembered, store } = this.options;
    const recoveries = await recoveriesIn(store);
    const known = remembered.knownRecoveries();
    if (known !== null && recoveries.every((id) => known.has(id))) return;
    await remembered.replace(await newestCheckpoints(store), recoveries);
  }
}
