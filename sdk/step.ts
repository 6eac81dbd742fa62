import type {
  EscalationKind,
  LocalStepKind,
  StepAnswer,
  StepLookAnswer,
  TimerAnswer,
  WaitAnswer,
} from "../contract/index.ts";
import { metaKeys } from "../contract/index.ts";
import type { Approval, ApprovalAsk, RecordedNo } from "./approval.ts";
import { askCall, noIn, refusalFrom, yesIn } from "./approval.ts";
import type { Attempt } from "./attempt.ts";
import type { ChildOptions } from "./child.ts";
import { runChild } from "./child.ts";
import { digestOf } from "./canonical.ts";
import type { ErrorCode } from "./errors.ts";
import { Refused } from "./errors.ts";
import { Artefacts } from "./artefacts.ts";
import { Memory } from "./memory.ts";
import type { Exhaustion, Turn } from "./model-step.ts";
import { ModelCall, isExhaustion } from "./model-step.ts";
import type { Pending, ToolResult } from "./tool.ts";
import type { ListedTool } from "./tool-list.ts";
import { listTools } from "./tool-list.ts";
import { callTool } from "./tool.ts";

export type { ListedTool } from "./tool-list.ts";
export type { Approval, ApprovalAsk } from "./approval.ts";
export type { ToolResult } from "./tool.ts";

export interface ToolOptions {
  /** How long to wait for the answer, a person's approval included. Default: five minutes. */
  readonly timeoutMs?: number;
  /** Told when the call waits for a person. */
  readonly onPending?: (pending: Pending) => void;
}

/** What a model call gave. */
export interface ModelAnswer<T> {
  /** Anything JSON carries. */
  readonly output: T;
  readonly model?: string;
  readonly tokens?: { readonly input: number; readonly output: number };
}

export interface ModelStep<T, M = undefined> {
  /** What the model is asked; a change of it under the same key is drift. Only its digest leaves the process. */
  readonly input?: unknown;
  /** The conversation, as JSON: part of what the model is asked. What has it can be made shorter when it finds no room. */
  readonly messages?: M;
  /** Asks the model. `messages` are those above, or shorter ones. */
  readonly call: (messages: M) => ModelAnswer<T> | Promise<ModelAnswer<T>>;
  /** Told of shorter messages whenever they have become the ones to go on with, also when that is on record. */
  readonly onCompacted?: (messages: M) => void;
  /** A slot of the run's memory where the conversation is kept: the longer one, then the shorter one. */
  readonly memory?: string;
  /** Whether an error of `call` says that there was no room. Left out = as the usual models' makers say it. */
  readonly isExhausted?: (error: unknown) => boolean;
}

export interface ValueStep<T> {
  /** What the value is made from; a change of it under the same key is drift. Only its digest leaves the process. */
  readonly input: unknown;
  readonly call: () => T | Promise<T>;
}

export interface WaitOptions {
  /** From the step's first visit. Left out = as long as the run is open. */
  readonly timeoutMs?: number;
}

/** For a person to decide. */
interface Asking {
  readonly escalation?: { readonly about: EscalationKind; readonly reason: string };
}

/** What a wait came to. */
export type Signalled<T> =
  | { readonly isTimedOut: false; readonly payload: T }
  | { readonly isTimedOut: true; readonly payload: null };

const toolTimeoutMs = 300_000;
/** As long as any other request of a step goes on asking. */
const listPatienceMs = 60_000;

/**
 * The steps of a run, each under a key of its own: 1-128 of `A-Z a-z 0-9 . _ : -`, the same in every attempt. What a step gives is what
 * is on record for it, also the first time, so it is what JSON makes of it.
 */
export class Step {
  private readonly attempt: Attempt;

  /** @internal */
  constructor(attempt: Attempt) {
    this.attempt = attempt;
    bindMethods(this);
  }

  /** Fires when this process must stop working on the run: pass it on to whatever takes long. */
  get signal(): AbortSignal {
    return this.attempt.signal;
  }

  /** From here on every step of this process fails with `reason`, and `run` throws it. The run stays open. */
  stop(reason: unknown): void {
    this.attempt.end(reason);
  }

  /** Calls a tool through Signalbox, at most once. */
  tool(key: string, name: string, args: unknown = {}, options: ToolOptions = {}): Promise<ToolResult> {
    const { attempt } = this;
    return attempt.once(key, () =>
      callTool(attempt.wire, {
        name,
        arguments: args,
        meta: {
          [metaKeys.run]: attempt.name,
          [metaKeys.step]: key,
          [metaKeys.attempt]: attempt.number,
        },
        step: key,
        signal: attempt.signal,
        timeoutMs: options.timeoutMs ?? toolTimeoutMs,
        onPending: options.onPending ?? (() => {}),
        attempt,
      }),
    );
  }

  /**
   * As `tool`, for whoever goes on when the answer is no, as a model does. The no is then on record, under `<key>.refused`: otherwise a
   * later attempt could do what this one was refused, unknown to all that was decided since. What passes (no room, a server that is
   * away, nobody's approval yet) is no answer, and is thrown.
   */
  async toolOrRefusal(
    key: string,
    name: string,
    args: unknown = {},
    options: ToolOptions = {},
  ): Promise<ToolResult> {
    const told = `${key}.refused`;
    const input = { name, arguments: args };
    const recorded = await this.look(told, "value", await digestOf(input));
    if (recorded !== null) return recorded.output as ToolResult; // recorded below
    try {
      return await this.tool(key, name, args, options);
    } catch (thrown) {
      if (!(thrown instanceof Refused && answers.has(thrown.code))) throw thrown;
      return this.value<ToolResult>(told, { input, call: () => refusalResult(thrown) });
    }
  }

  /**
   * Asks people about something of the agent's own, a plan, a draft, values, and waits for them; policy says whom. A yes is for exactly this,
   * and on record. Their no, or that nobody decided in time, is thrown as `Refused`, and on record too, under `<key>.refused`: it stays a
   * no in every later attempt. Where policy asks nobody, that is no yes, and is thrown.
   */
  async approval(key: string, asked: ApprovalAsk, options: ToolOptions = {}): Promise<Approval> {
    const told = `${key}.refused`;
    const call = askCall(asked);
    // Also in a first attempt: one that catches the no and asks again must not have people asked again.
    const recorded = await this.onRecord(told, "value", await digestOf(call));
    if (recorded !== null) throw refusalFrom(recorded.output as RecordedNo, key); // recorded below
    try {
      return yesIn(await this.tool(key, call.name, call.arguments, options), key);
    } catch (thrown) {
      const no = noIn(thrown, key);
      if (no === null) throw thrown;
      throw refusalFrom(await this.value<RecordedNo>(told, { input: call, call: () => no }), key);
    }
  }

  /** The tools that this agent may use, as they were when this step was first done: a model is then told the same in every attempt. */
  tools(key: string): Promise<readonly ListedTool[]> {
    const { wire, signal } = this.attempt;
    return this.value<readonly ListedTool[]>(key, () =>
      listTools(wire, { step: key, signal, patienceMs: listPatienceMs }),
    );
  }

  /**
   * A model call that the agent makes itself: made once, then on record with its tokens. When there is no room for it in the context window,
   * or the run has used up its tokens, the run goes on by its policy (`Recovery`).
   */
  // Overloads, here and below: out of a union with a function that is async, `T` would come out as unknown.
  model<T>(key: string, call: () => ModelAnswer<T> | Promise<ModelAnswer<T>>): Promise<T>;
  model<T, M = undefined>(key: string, step: ModelStep<T, M>): Promise<T>;
  model<T, M>(
    key: string,
    step: ModelStep<T, M> | (() => ModelAnswer<T> | Promise<ModelAnswer<T>>),
  ): Promise<T> {
    const asked = typeof step === "function" ? { call: step } : step;
    return new ModelCall(this.attempt, this, this, key, asked).answer();
  }

  /** @internal */
  async turn<T>(
    key: string,
    input: unknown,
    make: () => Promise<ModelAnswer<T> | Exhaustion>,
  ): Promise<Turn<T>> {
    const { kind, output } = await this.local(key, "model", input, async () => {
      const made = await make();
      return isExhaustion(made) ? { kind: "exhausted", output: made } : { kind: "model", ...made };
    });
    // As it was made, now or in an earlier attempt.
    return kind === "exhausted"
      ? { ...(output as Exhaustion), isExhausted: true }
      : { isExhausted: false, output: output as T };
  }

  /** Anything else that would come out differently the next time. */
  value<T>(key: string, call: () => T | Promise<T>): Promise<T>;
  value<T>(key: string, step: ValueStep<T>): Promise<T>;
  value<T>(key: string, step: ValueStep<T> | (() => T | Promise<T>)): Promise<T> {
    const { input, call } = typeof step === "function" ? { input: undefined, call: step } : step;
    return this.local(key, "value", input, async () => ({ kind: "value", output: await call() })).then(
      ({ output }) => output as T, // as `call` of this step gave it, now or in an earlier attempt
    );
  }

  /** Milliseconds since 1970, as they were when this step was first done. */
  now(key: string): Promise<number> {
    return this.value<number>(key, () => Date.now());
  }

  /** From 0 to below 1. */
  random(key: string): Promise<number> {
    return this.value<number>(key, () => Math.random());
  }

  uuid(key: string): Promise<string> {
    return this.value<string>(key, () => crypto.randomUUID());
  }

  /**
   * Waits until `ms` after this step was first done: what is left of it when the program starts again in between, nothing when the time
   * has passed.
   */
  sleep(key: string, ms: number): Promise<void> {
    const { attempt } = this;
    return attempt.once(key, async () => {
      const body = { attempt: attempt.number, ms: Math.max(0, Math.ceil(ms)) };
      const path = `/timers/${encodeURIComponent(key)}`;
      const { leftMs } = await attempt.ask<TimerAnswer>("PUT", path, body, key);
      await attempt.wait(() => attempt.pauseOrRest(leftMs));
    });
  }

  /** Waits for a signal that somebody sends the run, also one that came before. Taken once, then on record. */
  wait<T = unknown>(key: string, signal: string, options: WaitOptions = {}): Promise<Signalled<T>> {
    return this.waitFor<T>(key, signal, options);
  }

  /** @internal */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever sends the signal says what it carries
  waitFor<T = unknown>(key: string, signal: string, options: WaitOptions & Asking): Promise<Signalled<T>> {
    const { attempt } = this;
    const { timeoutMs, escalation } = options;
    const body = {
      attempt: attempt.number,
      signal,
      holdMs: attempt.holdMs,
      ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, Math.ceil(timeoutMs)) }),
      ...(escalation === undefined ? {} : { escalation }),
    };
    const path = `/waits/${encodeURIComponent(key)}`;
    const startedAt = performance.now();
    const waitOn = async (): Promise<Signalled<T>> => {
      for (;;) {
        const { state, payload } = await attempt.ask<WaitAnswer>("POST", path, body, key);
        if (state === "taken") return { isTimedOut: false, payload: payload as T }; // the sender's and the agent's agreement
        if (state === "timed-out") return { isTimedOut: true, payload: null };
        await attempt.restIfLong(performance.now() - startedAt);
      }
    };
    return attempt.once(key, () => attempt.wait(waitOn));
  }

  /**
   * Starts a run of a hosted agent, once, and waits for what it gives; `ChildFailed` when it fails or is cancelled. It acts in the name of this
   * run's agent. Several at once are started side by side.
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever wrote that agent says what it gives
  child<T = unknown>(key: string, agent: string, input?: unknown, options: ChildOptions = {}): Promise<T> {
    const { attempt } = this;
    return attempt.once(key, () => runChild(attempt, key, { ...options, agent, input }) as Promise<T>);
  }

  /** Large bytes of the run, which steps and memory refer to. */
  get artefacts(): Artefacts {
    return new Artefacts(this.attempt);
  }

  /** What the run remembers besides its steps. */
  get memory(): Memory {
    return new Memory(this.attempt);
  }

  /** What is on record under the step, or is now. A model's step may come to another kind than it was asked as. */
  private local(
    key: string,
    kind: LocalStepKind,
    input: unknown,
    make: () => Promise<ModelAnswer<unknown> & { readonly kind: LocalStepKind }>,
  ): Promise<StepAnswer> {
    const { attempt } = this;
    return attempt.once(key, async () => {
      const digest = input === undefined ? null : await digestOf(input);
      const recorded = await this.look(key, kind, digest);
      if (recorded !== null) return recorded;
      const { output, ...rest } = await make();
      const body = {
        attempt: attempt.number,
        ...(digest === null ? {} : { input: digest }),
        output: output ?? null,
        ...rest,
      };
      return attempt.ask<StepAnswer>("PUT", stepPath(key), body, key);
    });
  }

  /** What is on record under a local step; null = nothing yet, and nothing is asked where nothing can be. */
  private async look(key: string, kind: LocalStepKind, digest: string | null): Promise<StepAnswer | null> {
    const { attempt } = this;
    if (attempt.isNew && !(kind === "model" && attempt.hasBudget)) return null;
    return this.onRecord(key, kind, digest);
  }

  private async onRecord(
    key: string,
    kind: LocalStepKind,
    digest: string | null,
  ): Promise<StepAnswer | null> {
    const { attempt } = this;
    const asked = new URLSearchParams({ attempt: String(attempt.number), kind });
    if (digest !== null) asked.set("input", digest);
    const path = `${stepPath(key)}?${asked.toString()}`;
    return (await attempt.ask<StepLookAnswer>("GET", path, undefined, key)).step;
  }
}

/** Refusals that somebody can go on with: of policy, of people, and of what was asked. */
const answers: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "denied",
  "approval-denied",
  "approval-expired",
  "unknown-tool",
  "invalid-arguments",
  "unsafe-value",
  "upstream-rejected",
  "result-too-large",
  "result-invalid",
]);

const stepPath = (key: string): string => `/steps/${encodeURIComponent(key)}`;

const refusalResult = ({ message, receipt }: Refused): ToolResult => ({
  content: [{ type: "text", text: message }],
  isError: true,
  text: message,
  receipt,
});

/** So that a program can take them apart: `async ({ tool, model }) => …`. */
function bindMethods(step: Step): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(Step.prototype))) {
    if (typeof value !== "function" || name === "constructor") continue;
    const method = value as (...args: unknown[]) => unknown;
    Object.defineProperty(step, name, { value: method.bind(step) });
  }
}
