import type { CallRecord } from "../telemetry/index.ts";
import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import { delay, elapsedMs, explain, faultFrom, newId, randomBelow } from "../base/index.ts";
import type { Clock, Random } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Profile } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { CallId } from "../ledger/index.ts";
import { Duty } from "../store/index.ts";
import type {
  CallAnswer,
  CallInput,
  Calls,
  Described,
  ListName,
  Listing,
  SubscribeInput,
  Subscribed,
  TaskInput,
} from "./call.ts";
import { removeKnownSecretsFromJson } from "../screening/index.ts";
import { describeServers } from "./describe.ts";
import { endAbandoned } from "./abandon.ts";
import { cleanRefusal } from "./clean-refusal.ts";
import { callRecord } from "./call-record.ts";
import type { Known } from "./entries.ts";
import type { House } from "./house.ts";
import { Lists } from "./lists.ts";
import { stations } from "./pipeline.ts";
import type { Recorded } from "./record-outcome.ts";
import { Parking } from "./parking.ts";
import type { Probed } from "./probes.ts";
import { Probes } from "./probes.ts";
import { RefusalBound } from "./refusal-bound.ts";
import { writeRefusal } from "./refusal-entry.ts";
import { writeSummary } from "./refusal-summary.ts";
import { RetryBudget } from "./retry-budget.ts";
import { notSentAgain } from "./send-again.ts";
import type { Admitted, Arrived, Intended } from "./stages.ts";
import { Trace } from "./stages.ts";
import { subscribeTo } from "./subscribe.ts";
import { taskRequest } from "./tasks.ts";
import type { Station } from "./station.ts";
import { Stop } from "./station.ts";
import { StoreClock } from "./store-clock.ts";
import { isStoreFault, storeRefusal } from "./store-refusal.ts";
import { Unsettled } from "./unsettled.ts";
import { Validators } from "./validators.ts";
import type { Trying } from "./verifications.ts";
import { Verifications } from "./verifications.ts";

export interface CallLineOptions extends Omit<
  House,
  | "validators"
  | "storeClock"
  | "retryBudget"
  | "underWay"
  | "unsettled"
  | "parking"
  | "comeBack"
  | "verifying"
  | "isStopping"
  | "pause"
> {
  readonly clock: Clock;
  readonly random: Random;
  /** Exactly one record per call, whatever became of it. Must not throw. */
  readonly record: (record: CallRecord) => void;
}

/** How often a call goes back because somebody else changed its step: each time waits a little longer. */
const roundsMax = 6;
const roundDelayMs = 20;
const housekeepingEveryMs = 5_000;
/** Calls wait for input for an hour; a minute more or less does not matter, and looking reads all that are open. */
const abandonEvery = 12;
/** What is unknown is looked through every 15 seconds; each call has a pause of its own between two questions. */
const verifyEvery = 3;

const unasked = (): void => undefined;

/**
 * A call has room for all that stations will find from the start, so that it is of one shape for life. Measured: growing it
 * station by station costs 1 µs more and leaves 1.5 KB behind.
 */
const unknownYet: Readonly<Record<Exclude<keyof Recorded, keyof Arrived>, undefined>> = {
  principal: undefined,
  reviewFloor: undefined,
  subject: undefined,
  arguments: undefined,
  argumentsText: undefined,
  salt: undefined,
  argumentsCommitment: undefined,
  stepDigest: undefined,
  deadline: undefined,
  repeat: undefined,
  run: undefined,
  budget: undefined,
  patience: undefined,
  answered: undefined,
  returns: undefined,
  waiting: undefined,
  sentBefore: undefined,
  decision: undefined,
  intentDigest: undefined,
  approval: undefined,
  rules: undefined,
  endorsed: undefined,
  limitsVersion: undefined,
  leave: undefined,
  intent: undefined,
  mayDispatch: undefined,
  reply: undefined,
  inputs: undefined,
  seen: undefined,
  withheld: undefined,
  outcome: undefined,
  answer: undefined,
};

/** The governed call: drives each call through the stations and sees to it that it leaves one record. */
export class CallLine implements Calls {
  private readonly options: CallLineOptions;
  private readonly house: House;
  private readonly lists = new Lists();
  private readonly verifications = new Verifications((input) => this.call(input));
  private readonly probes = new Probes((input) => this.call(input));
  private readonly refusals: RefusalBound;
  private readonly duty: Duty;
  private readonly idle = new Set<() => void>();
  private running = 0;
  private stopping = false;
  private houseKept = 0;
  private cancelHousekeeping: (() => void) | null = null;
  private forgetBounds: readonly (() => void)[] = [];

  constructor(options: CallLineOptions) {
    this.options = options;
    this.refusals = new RefusalBound(options.clock);
    const { store, clock, node } = options;
    const holder = `${node.name}/${node.fence}`;
    this.duty = new Duty({ store, clock, name: "calls/house", holder, ttlMs: 3 * housekeepingEveryMs });
    this.house = {
      ...options,
      validators: new Validators(),
      storeClock: new StoreClock(options.clock),
      retryBudget: new RetryBudget(),
      underWay: new Map(),
      unsettled: new Unsettled(),
      parking: new Parking(options),
      comeBack: (input) => {
        // Its answer is on record; a bug of ours was told where it happened.
        this.call(input).catch((thrown: unknown) =>
          options.onTrouble("driving a call that was decided", thrown),
        );
      },
      verifying: this.verifications,
      isStopping: () => this.stopping,
      pause: (ms) => delay(options.clock, ms / 2 + randomBelow(options.random, Math.ceil(ms))),
    };
  }

  async start(): Promise<void> {
    const before = this.house.storeClock.reading();
    this.house.storeClock.learn(before, await this.options.store.now());
    const { registry, gate } = this.options;
    const reconsider = () => gate.reconsider();
    this.forgetBounds = [registry.limits.onChange(reconsider), registry.onChange(reconsider)];
    this.keepHouseLater();
  }

  /** Refuses new calls, waits up to `graceMs` for those under way, and writes what was only counted. */
  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    this.cancelHousekeeping?.();
    this.probes.stop();
    this.house.parking.close();
    if (this.running > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.options.clock.after(graceMs, resolve);
        this.idle.add(() => {
          cancel();
          resolve();
        });
      });
    }
    for (const forget of this.forgetBounds) forget();
    await this.settleRest();
    await this.writeSummaries(true);
    await this.duty.giveUp().catch(() => undefined); // it runs out by itself
  }

  get callsUnderWay(): number {
    return this.running;
  }

  /** What is being tried for a call whose outcome is unknown; null = nothing, by this node. */
  trying(call: CallId): Trying | null {
    return this.verifications.trying(call, this.options.clock.monotonic());
  }

  /** How the last probe of a tool went, by its id; null = none has, by this node. */
  probed(tool: string): Probed | null {
    return this.probes.lastOf(tool);
  }

  list(name: ListName, principal: Principal, profile: Profile): Listing | Promise<Listing> {
    return this.lists.listing(name, principal, profile, this.house);
  }

  describe(principal: Principal): Described {
    const { registry, policies, vault } = this.options;
    const offered = registry.featuresOf(principal.tenant, noCapabilities);
    const described = describeServers(offered, principal, policies.current(principal.tenant));
    const secrets = vault.knownSecrets(principal.tenant);
    if (secrets.length === 0) return described;
    const clean = removeKnownSecretsFromJson(JSON.stringify(described), secrets);
    return clean.removed === 0 ? described : (JSON.parse(clean.text) as Described);
  }

  task(input: TaskInput): Promise<CallAnswer> {
    return taskRequest(input, this.house);
  }

  subscribe(input: SubscribeInput): Promise<Subscribed> {
    return subscribeTo(input, this.refusals, this.house);
  }

  call(input: CallInput): Promise<CallAnswer> {
    this.running++;
    this.house.retryBudget.earn();
    // Only a caller that has something to be asked for, and nobody to ask in its session, can be answered early.
    if (input.profile === noCapabilities || input.ask !== null) return this.whole(input, unasked);
    return new Promise((resolve, reject) => {
      this.whole(input, resolve).then(resolve, reject);
    });
  }

  private whole(input: CallInput, answerEarly: Arrived["answerEarly"]): Promise<CallAnswer> {
    const whole: Promise<CallAnswer> = this.drive(input, () => whole, answerEarly);
    return whole;
  }

  private async drive(
    input: CallInput,
    whole: () => Promise<CallAnswer>,
    answerEarly: Arrived["answerEarly"],
  ): Promise<CallAnswer> {
    const { clock, random } = this.options;
    const trace = new Trace(input.receivedAt);
    try {
      for (let round = 1; ; round++) {
        const id = newId("call", clock.wall(), random) as CallId;
        // The stations fill in the rest, in the order that `Line` has checked.
        const call = { ...unknownYet, input, trace, whole, answerEarly, id } as unknown as Known;
        const end = await this.pass(call);
        if (end instanceof Stop && end.reason.kind === "again" && round < roundsMax) {
          await this.house.pause(roundDelayMs * round);
          continue;
        }
        const answer = end instanceof Stop ? await this.leaveEarly(call, end) : end.answer;
        this.options.record(callRecord(call, end, answer, clock.monotonic()));
        return answer;
      }
    } finally {
      this.leave();
    }
  }

  private leave(): void {
    if (--this.running > 0) return;
    for (const wake of this.idle) wake();
    this.idle.clear();
  }

  /** One walk along the line. Whatever throws here is a bug of ours: it ends this call, not the process. */
  private async pass(call: Known): Promise<Recorded | Stop> {
    const { clock } = this.options;
    let current: unknown = call;
    try {
      let startedAt = clock.monotonic();
      for (const station of stations as readonly Station<unknown, unknown>[]) {
        const queuedMs = call.trace.queuedMs;
        const visited = station.visit(current, this.house);
        const next = visited instanceof Promise ? await visited : visited;
        const queueMs = call.trace.queuedMs - queuedMs;
        const now = clock.monotonic();
        const workMs = elapsedMs(now, startedAt) - queueMs;
        startedAt = now;
        call.trace.passed(station.name, workMs, queueMs);
        if (next instanceof Stop) return next;
        current = next;
      }
      return current as Recorded;
    } catch (thrown) {
      const { intent } = call as Partial<Intended>;
      // Nothing had happened yet but looking things up.
      if (intent === undefined && isStoreFault(thrown))
        return new Stop({ kind: "refused", refusal: storeRefusal(thrown) });
      if (intent !== undefined && intent !== null)
        this.house.unsettled.add(call.id, { kind: "unknown", code: "internal" });
      this.options.onTrouble(`driving call ${call.id}`, thrown);
      const fault = faultFrom(thrown, "driving a call");
      return new Stop({
        kind: "refused",
        refusal: { code: "internal", detail: "", evidence: { reason: explain(fault) } },
      });
    } finally {
      (call as Partial<Admitted>).leave?.();
      // Another request of the same call may be the one that drives it.
      const driver = this.house.underWay.get(call.id);
      if (driver !== undefined && driver === call.whole()) this.house.underWay.delete(call.id);
    }
  }

  private async leaveEarly(call: Known, stop: Stop): Promise<CallAnswer> {
    switch (stop.reason.kind) {
      case "recalled":
      case "held":
      case "ended":
        return stop.reason.answer;
      case "again":
        return this.refuse(call, {
          code: "outcome-unknown",
          detail: "another node is still working on this step; ask again shortly",
        });
      case "refused": {
        const { principal } = call as Partial<Known>; // none = nobody has looked at anything of anybody's
        const { refusal } = stop.reason;
        const clean = principal === undefined ? refusal : cleanRefusal(refusal, principal.tenant, this.house);
        return this.refuse(call, notSentAgain(call, clean));
      }
    }
  }

  /**
   * Who is not known leaves no entry. A refusal stands even when the ledger cannot be written: it had no effect. That another round was
   * refused does not end its call: it is an entry by itself, under an id of its own.
   */
  private async refuse(call: Known, refusal: Refusal): Promise<CallAnswer> {
    if (isRound(call)) {
      const evidence = { ...refusal.evidence, round: call.id };
      call.id = newId("call", this.options.clock.wall(), this.options.random) as CallId;
      return this.refuse(Object.assign(call, { returns: null, waiting: null }), { ...refusal, evidence });
    }
    const hasEntry = (call as Partial<Known>).principal !== undefined && this.refusals.admits(call.principal);
    const receipt = hasEntry ? await this.refusalEntry(call, refusal) : null;
    return { kind: "refused", refusal, receipt };
  }

  private async refusalEntry(call: Known, refusal: Refusal): Promise<ReceiptReference | null> {
    // An intent may stand already when a bug of ours ended the call: then its outcome is not ours to call refused.
    if (refusal.code === "internal" && call.subject !== undefined) return null;
    try {
      return await writeRefusal(this.house, call, refusal);
    } catch (thrown) {
      this.options.onTrouble(`recording the refusal of call ${call.id}`, thrown);
      return null;
    }
  }

  private keepHouseLater(): void {
    this.cancelHousekeeping = this.options.clock.after(housekeepingEveryMs, () => {
      void this.keepHouse().finally(() => {
        if (!this.stopping) this.keepHouseLater();
      });
    });
  }

  private async keepHouse(): Promise<void> {
    this.probes.round(this.house);
    await this.settleRest();
    await this.writeSummaries(false);
    if (!(await this.isOnDuty())) return;
    // Not waited for: a server that is slow to answer delays nothing else.
    if (this.houseKept % verifyEvery === 0) void this.verifications.round(this.house);
    if (++this.houseKept % abandonEvery === 0) await this.endAbandoned();
  }

  /** What is nobody's in particular, one node looks after for all. */
  private async isOnDuty(): Promise<boolean> {
    try {
      return await this.duty.isOurs();
    } catch (thrown) {
      this.options.onTrouble("asking whose turn it is to keep house", thrown);
      return false;
    }
  }

  private async endAbandoned(): Promise<void> {
    try {
      await endAbandoned(this.house);
    } catch (thrown) {
      this.options.onTrouble("ending calls that nobody came back for", thrown);
    }
  }

  private async settleRest(): Promise<void> {
    try {
      await this.house.unsettled.settle(this.house);
    } catch (thrown) {
      this.options.onTrouble("recording how calls ended", thrown);
    }
  }

  private async writeSummaries(all: boolean): Promise<void> {
    for (const summary of this.refusals.close(all)) {
      try {
        await writeSummary(this.house, summary);
      } catch (thrown) {
        this.options.onTrouble(`recording ${summary.refusals} counted refusals`, thrown);
        this.refusals.giveBack(summary);
      }
    }
  }
}

const isRound = (call: Known): boolean =>
  (call.returns !== null && call.returns !== undefined) ||
  (call.waiting !== null && call.waiting !== undefined);
