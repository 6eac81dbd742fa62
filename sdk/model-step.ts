import type { EscalationKind, ExhaustionPolicy } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";
import { ContextExhausted, Refused, RunFailed, TokenBudgetExhausted } from "./errors.ts";
import type { TokensShort } from "./exhaustion.ts";
import { isContextExhausted, shortageIn } from "./exhaustion.ts";
import type { ModelAnswer, ModelStep, Step } from "./step.ts";

/** What `compact` is told of the call that found no room. */
export interface CompactInfo extends TokensShort {
  /** Key of the model step. */
  readonly step: string;
  /** From 1: how often the conversation of this step is made shorter. */
  readonly compaction: number;
  readonly signal: AbortSignal;
}

/** How an agent's runs go on when a model call finds no room, or a run has used up its tokens. */
export interface Recovery {
  /** Left out = `compact` where there is a function for it, else `escalate`. */
  readonly onContextExhausted?: ExhaustionPolicy;
  /** Makes a conversation shorter: given the `messages` of a model step, it gives those to go on with. Recorded like a model's answer. */
  // A method, so that it may be written for the messages of its own agent.
  compact?(messages: unknown, info: CompactInfo): ModelAnswer<unknown> | Promise<ModelAnswer<unknown>>;
  /** How often for one model step, before a person is asked. Default: 3. */
  readonly compactionsMax?: number;
  /** How long a person has to decide before the run fails. Default: a week. */
  readonly escalationMs?: number;
}

const compactionsMaxDefault = 3;
const escalationMsDefault = 7 * 24 * 60 * 60_000;
/** Somebody who has answered as often, without anything having got better, will not have a better answer. */
const questionsMax = 16;

/** What stands under a model's step: its answer, or that there was no room for one, and what was to be done about it then. */
export type Turn<T> =
  | { readonly isExhausted: false; readonly output: T }
  | ({ readonly isExhausted: true } & Exhaustion);

/** As it is on record. The way is on record with it, so that every attempt takes the same, whatever the policy is by then. */
export interface Exhaustion extends TokensShort {
  readonly way: ExhaustionPolicy;
}

/** What a compaction comes to. Digests of memory; null = no memory is named. */
interface Compacted {
  readonly messages: unknown;
  readonly before: string | null;
  readonly after: string | null;
}

interface Decision {
  readonly do: string;
  readonly reason: string | null;
}

/** Reads and writes one local step, whichever of the two it comes to. */
interface TurnRecord {
  turn<T>(key: string, input: unknown, make: () => Promise<ModelAnswer<T> | Exhaustion>): Promise<Turn<T>>;
}

export const isExhaustion = (made: object): made is Exhaustion => "way" in made;

/**
 * A model's step that goes on when there is no room for it. Each turn that finds none is a step of its own, as is what is done about it, so
 * that another attempt meets the same turns, and nothing before them is done again.
 */
export class ModelCall<T, M> {
  private readonly attempt: Attempt;
  private readonly step: Step;
  private readonly record: TurnRecord;
  private readonly key: string;
  private readonly asked: ModelStep<T, M>;
  private messages: M;
  private compactions = 0;
  private questions = 0;

  constructor(attempt: Attempt, step: Step, record: TurnRecord, key: string, asked: ModelStep<T, M>) {
    this.attempt = attempt;
    this.step = step;
    this.record = record;
    this.key = key;
    this.asked = asked;
    this.messages = asked.messages as M; // undefined where there are none: then M is undefined as well
  }

  async answer(): Promise<T> {
    for (let again = 0; ; again++) {
      const key = again === 0 ? this.key : `${this.key}.again-${again}`;
      const turn = await this.turn<T>(key, this.input(), async () => this.asked.call(this.messages));
      if (!turn.isExhausted) return turn.output;
      await this.recover(turn);
    }
  }

  /** What the model is asked; as it was, for a step that names no messages. */
  private input(): unknown {
    const { input, messages } = this.asked;
    if (messages === undefined) return input;
    return input === undefined ? { messages: this.messages } : { input, messages: this.messages };
  }

  /** One step that asks a model, within the run's budget. An answer that was paid for is not thrown away for the budget's sake. */
  private async turn<O>(key: string, input: unknown, call: () => Promise<ModelAnswer<O>>): Promise<Turn<O>> {
    let made: ModelAnswer<O> | Exhaustion | null = null;
    for (let questions = 1; ; questions++) {
      try {
        return await this.record.turn<O>(key, input, async () => (made ??= await this.made(call)));
      } catch (thrown) {
        if (!(thrown instanceof Refused && thrown.code === "token-budget-exhausted")) throw thrown;
        if (this.attempt.recovery.onContextExhausted === "fail" || questions > questionsMax)
          throw new TokenBudgetExhausted(thrown.message);
        const { do: chosen, reason } = await this.decision(
          `${key}.tokens-${questions}`,
          "tokens",
          thrown.message,
        );
        if (chosen === "end") throw new TokenBudgetExhausted(reason ?? thrown.message);
        // Raised, or not: the step says so when it is asked again.
      }
    }
  }

  private async made<O>(call: () => Promise<ModelAnswer<O>>): Promise<ModelAnswer<O> | Exhaustion> {
    try {
      const { output, model, tokens } = await call();
      return {
        output,
        ...(model === undefined ? {} : { model }),
        ...(tokens === undefined ? {} : { tokens }),
      };
    } catch (thrown) {
      const { isExhausted = isContextExhausted } = this.asked;
      if (this.attempt.signal.aborted) throw thrown;
      if (!(thrown instanceof ContextExhausted) && !isExhausted(thrown)) throw thrown;
      const tokens = shortageIn(thrown) ?? { needed: null, limit: null };
      return { ...tokens, way: this.way() };
    }
  }

  private way(): ExhaustionPolicy {
    const { onContextExhausted, compactionsMax = compactionsMaxDefault } = this.attempt.recovery;
    if (onContextExhausted === "fail" || onContextExhausted === "escalate") return onContextExhausted;
    return this.canCompact && this.compactions < compactionsMax ? "compact" : "escalate";
  }

  private get canCompact(): boolean {
    return this.attempt.recovery.compact !== undefined && this.asked.messages !== undefined;
  }

  private async recover(turn: Exhaustion): Promise<void> {
    let { way } = turn;
    for (let compacting: Exhaustion | null = turn; compacting !== null;) {
      const why = `${wordsOf(compacting)}, at step "${this.key}"`;
      if (way === "fail") throw new ContextExhausted(compacting, why);
      if (way === "escalate" && !(await this.personWantsCompaction(compacting, why))) return;
      compacting = await this.compact(compacting);
      way = "escalate"; // of a compaction that finds no room itself
    }
  }

  /** True = the conversation is to be made shorter; false = the call is to be made again as it is. */
  private async personWantsCompaction(tokens: TokensShort, why: string): Promise<boolean> {
    for (; this.questions < questionsMax;) {
      const asked = this.canCompact ? why : `${why}; its agent has no way to compact`;
      const { do: chosen, reason } = await this.decision(
        `${this.key}.asked-${++this.questions}`,
        "context",
        asked,
      );
      if (chosen === "end") throw new ContextExhausted(tokens, reason ?? why);
      if (chosen === "retry") return false;
      if (chosen === "compact" && this.canCompact) return true;
    }
    throw new ContextExhausted(tokens, `${why}; people were asked ${questionsMax} times`);
  }

  /** null = it is shorter; else what the compaction itself was short of. */
  private async compact(tokens: TokensShort): Promise<Exhaustion | null> {
    const { recovery, signal } = this.attempt;
    const compaction = ++this.compactions;
    const { messages, key } = this;
    const { memory, onCompacted } = this.asked;
    const turn = await this.turn<Compacted>(`${key}.compact-${compaction}`, { messages }, async () => {
      const { needed, limit } = tokens;
      // What was there stays in the run's memory, under its digest.
      const before = memory === undefined ? null : (await this.step.memory.put(memory, messages)).digest;
      const made = await recovery.compact?.(messages, { step: key, compaction, needed, limit, signal });
      if (made === undefined) throw new Error("the agent has no `compact`"); // it had one: `canCompact`
      const after = memory === undefined ? null : (await this.step.memory.put(memory, made.output)).digest;
      return { ...made, output: { messages: made.output, before, after } };
    });
    if (turn.isExhausted) return turn;
    this.messages = turn.output.messages as M; // what the agent's own function gave
    onCompacted?.(this.messages);
    return null;
  }

  /** What a person says, once they have. */
  private async decision(key: string, about: EscalationKind, reason: string): Promise<Decision> {
    const { escalationMs = escalationMsDefault } = this.attempt.recovery;
    const signal = `go-on.${this.key}`.slice(0, signalCharactersMax);
    const told = await this.step.waitFor(key, signal, {
      timeoutMs: escalationMs,
      escalation: { about, reason },
    });
    if (told.isTimedOut) throw new RunFailed(`${reason}; nobody has decided in time`);
    const { do: chosen, reason: because } = (told.payload ?? {}) as Readonly<Record<string, unknown>>; // any JSON: members are looked at
    return {
      do: typeof chosen === "string" ? chosen : "",
      reason: typeof because === "string" ? because : null,
    };
  }
}

/** As the node takes names. */
const signalCharactersMax = 128;

function wordsOf({ needed, limit }: TokensShort): string {
  const numbers = needed === null || limit === null ? "" : ` (${needed} tokens of ${limit})`;
  return `the model's context window has no room${numbers}`;
}
