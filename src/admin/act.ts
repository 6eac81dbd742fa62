import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import type { Clock, Random, Result, WallMs } from "../base/index.ts";
import { canonicalJson, commitment, explain, faultFrom, msOf, newId, ok, refuse } from "../base/index.ts";
import type { RefusalSummary } from "../calls/index.ts";
import type { Principal, PrincipalId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Entry, EntryId, Ledger, Outcome, Payload } from "../ledger/index.ts";
import { entryWrite, sealPayload } from "../ledger/index.ts";
import type { Decision } from "../policy/index.ts";
import type { Change, Store, Write } from "../store/index.ts";

/** Who does what, and by which decision. */
export interface Act {
  readonly actor: Principal;
  /** `admin.<noun>.<verb>` */
  readonly action: string;
  /** null = policy was not asked: the operator's configuration file, or the node itself. */
  readonly decision: Decision | null;
}

/**
 * `witness`: a second principal in whose tenant the act is entered too, when it reaches into one that is not the actor's. `id`: from
 * `newEntryId`. `about`: what else the entry says the act was about.
 */
interface More {
  readonly witness?: Principal | null;
  readonly id?: EntryId;
  readonly about?: Pick<Entry, "run" | "step" | "intentDigest">;
}

/** What an act changed, for people; sealed beside the entry. Never a secret. */
export type Note = Readonly<Record<string, unknown>>;

export interface Done<T> {
  readonly value: T;
  readonly receipt: ReceiptReference;
}

export interface ActsOptions {
  readonly store: Pick<Store, "commit">;
  readonly keys: Pick<Keys, "scopeKey" | "seal">;
  readonly ledger: Pick<Ledger, "noted">;
  readonly clock: Clock;
  readonly random: Random;
}

/** Composes an administrative act with its ledger entry: both are durable, or neither. */
export class Acts {
  private readonly options: ActsOptions;

  constructor(options: ActsOptions) {
    this.options = options;
  }

  /**
   * Commits the change together with its entry, then lets its room bring memory up to date. Refused as a conflict when somebody
   * else changed the same thing meanwhile, and as `ledger-unavailable` when nothing could be written.
   */
  async perform<T>(
    act: Act,
    subject: string | null,
    change: Change<T>,
    note: Note,
    { witness = null, id, about }: More = {},
  ): Promise<Result<Done<T>>> {
    const at = this.options.clock.wall();
    const own = await this.entry(act, at, subject, null, note, { ...about, id: id ?? this.newEntryId() });
    const writes = [...change.writes, own.write];
    if (witness !== null) {
      const seen = await this.entry(
        { ...act, actor: witness },
        at,
        subject,
        null,
        { ...note, by: act.actor.id },
        { id: this.newEntryId() },
      );
      writes.push(seen.write);
    }
    const problem = await this.commit(writes);
    if (problem !== null) return refuse(problem);
    change.applied();
    this.options.ledger.noted(act.actor.tenant);
    if (witness !== null) this.options.ledger.noted(witness.tenant);
    return ok({ value: change.value, receipt: own.receipt });
  }

  /** For a change that names the entry it will be recorded under. */
  newEntryId(): EntryId {
    return `${newId("act", this.options.clock.wall(), this.options.random)}:0` as EntryId;
  }

  /** The entry of an act that was refused; the caller has bounded how many there are. Rejects with the store's Fault. */
  async recordRefusal(act: Act, refusal: Refusal, note: Note): Promise<void> {
    const at = this.options.clock.wall();
    const outcome: Outcome = { kind: "refused", code: refusal.code };
    const told = {
      ...note,
      detail: refusal.detail,
      ...(refusal.evidence === undefined ? {} : { evidence: refusal.evidence }),
    };
    const { write } = await this.entry(act, at, null, outcome, told, { id: this.newEntryId() });
    await this.options.store.commit([write]);
    this.options.ledger.noted(act.actor.tenant);
  }

  /** One entry for the refusals of a principal beyond its bound. */
  async recordSummary({ principal, refusals }: RefusalSummary): Promise<void> {
    const { clock, random, store, ledger } = this.options;
    const at = clock.wall();
    const versions = { identity: principal.version, refusals: String(refusals) };
    const entry: Entry = {
      ...blankEntry(principal, at),
      id: `${newId("sum", at, random)}:0` as EntryId,
      kind: "summary",
      method: "admin",
      versions,
    };
    await store.commit([entryWrite(entry, null).write]);
    ledger.noted(principal.tenant);
  }

  private async entry(
    act: Act,
    at: WallMs,
    subject: string | null,
    outcome: Outcome | null,
    note: Note,
    about: Partial<Entry> & Pick<Entry, "id">,
  ): Promise<{ readonly write: Write; readonly receipt: ReceiptReference }> {
    const { keys, random } = this.options;
    const { actor, decision } = act;
    const salt = random.bytes(16);
    // Through JSON, so that what is committed to is what a reader gets back.
    const plain = JSON.parse(JSON.stringify(note)) as Note;
    const payload: Payload = { salt: Buffer.from(salt).toString("base64"), note: plain };
    const entry: Entry = {
      ...blankEntry(actor, at),
      ...about,
      method: act.action,
      subject,
      versions: {
        identity: actor.version,
        ...(decision === null ? {} : { policy: decision.partition }),
      },
      decision:
        decision === null
          ? null
          : { effect: decision.effect, policies: decision.reasons.map((policy) => policy.id) },
      outcome: outcome ?? { kind: "succeeded", isError: false },
      commitments: { payload: commitment(salt, canonicalJson(plain)) },
    };
    const key = await keys.scopeKey(sealingScope(actor, at));
    const { write, leafHash } = entryWrite(entry, sealPayload(keys, key, entry.id, payload));
    return { write, receipt: { entry: entry.id, leaf: Buffer.from(leafHash).toString("base64") } };
  }

  private async commit(writes: readonly Write[]): Promise<Refusal | null> {
    try {
      const verdict = await this.options.store.commit(writes);
      if (verdict.verdict === "done") return null;
      const write = writes[verdict.index];
      return {
        code: "conflict",
        detail: "It was changed by somebody else at the same moment. Look at it again and repeat.",
        evidence: { table: write?.table ?? null },
      };
    } catch (thrown) {
      const fault = faultFrom(thrown, "committing an administrative act");
      // Whether a broken disk has taken the write or not, nobody can say: then the fault itself must be the answer.
      if (fault.effect !== "none" || fault.code === "internal") throw fault;
      const passes =
        fault.code === "store-busy" || fault.code === "lease-lost" || fault.code === "shutting-down";
      return {
        code: passes ? fault.code : "ledger-unavailable",
        detail: "Nothing was changed.",
        evidence: { store: fault.code, reason: explain(fault) },
      };
    }
  }
}

/** The actor first, then on whose behalf, nearest first. */
const principalsOf = (actor: Principal): readonly PrincipalId[] => [
  actor.id,
  ...actor.chain.map((identity) => identity.id),
];

/** The same as for calls outside a run: what one person did on one day is erased together. */
const sealingScope = (actor: Principal, at: WallMs): string =>
  `day/${actor.tenant}/${actor.id}/${new Date(msOf(at)).toISOString().slice(0, 10)}`;

const blankEntry = (actor: Principal, at: WallMs): Omit<Entry, "id"> => ({
  kind: "act",
  tenant: actor.tenant,
  at,
  call: null,
  run: null,
  step: null,
  principals: principalsOf(actor),
  method: "admin",
  subject: null,
  versions: {},
  decision: null,
  intentDigest: null,
  stepDigest: null,
  outcome: null,
  commitments: {},
  after: null,
});
