import type {
  LocalStepKind,
  StepAnswer,
  StepLookAnswer,
  TimerAnswer,
  WaitAnswer,
} from "../contract/index.ts";
import { metaKeys } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";
import { digestOf } from "./canonical.ts";
import { Memory } from "./memory.ts";
import type { Pending, ToolResult } from "./tool.ts";
import { callTool } from "./tool.ts";
import { pause } from "./wire.ts";

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

export interface ModelStep<T> {
  /** What the model is asked; a change of it under the same key is drift. Only its digest leaves the process. */
  readonly input: unknown;
  readonly call: () => ModelAnswer<T> | Promise<ModelAnswer<T>>;
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

/** What a wait came to. */
export type Signalled<T> =
  | { readonly isTimedOut: false; readonly payload: T }
  | { readonly isTimedOut: true; readonly payload: null };

const toolTimeoutMs = 300_000;
/** How long one request waits for a signal before it is asked again. */
const holdMs = 20_000;

/**
 * The steps of a run, each under a key of its own: 1-128 of `A-Z a-z 0-9 . _ : -`, the same in every attempt. What a step gives is what
 * is on record for it, also the first time, so it is what JSON makes of it.
 */
export class Step {
  private readonly attempt: Attempt;

  /** @internal */
  constructor(attempt: Attempt) {
    this.attempt = attempt;
  }

  /** Fires when this process must stop working on the run: pass it on to whatever takes long. */
  get signal(): AbortSignal {
    return this.attempt.signal;
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
      }),
    );
  }

  /** A model call that the agent makes itself: made once, then on record with its tokens. */
  model<T>(key: string, step: ModelStep<T> | (() => ModelAnswer<T> | Promise<ModelAnswer<T>>)): Promise<T> {
    const { input, call } = typeof step === "function" ? { input: undefined, call: step } : step;
    return this.local(key, "model", input, async () => {
      const { output, model, tokens } = await call();
      return {
        output,
        ...(model === undefined ? {} : { model }),
        ...(tokens === undefined ? {} : { tokens }),
      };
    });
  }

  /** Anything else that would come out differently the next time. */
  value<T>(key: string, step: ValueStep<T> | (() => T | Promise<T>)): Promise<T> {
    const { input, call } = typeof step === "function" ? { input: undefined, call: step } : step;
    return this.local(key, "value", input, async () => ({ output: await call() }));
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
      await attempt.wait(async () => {
        await attempt.restIfLong(leftMs);
        await pause(leftMs, attempt.signal);
      });
    });
  }

  /** Waits for a signal that somebody sends the run, also one that came before. Taken once, then on record. */
  wait<T = unknown>(key: string, signal: string, options: WaitOptions = {}): Promise<Signalled<T>> {
    const { attempt } = this;
    const { timeoutMs } = options;
    const body = {
      attempt: attempt.number,
      signal,
      holdMs,
      ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, Math.ceil(timeoutMs)) }),
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

  /** What the run remembers besides its steps. */
  get memory(): Memory {
    return new Memory(this.attempt);
  }

  private local<T>(
    key: string,
    kind: LocalStepKind,
    input: unknown,
    make: () => Promise<ModelAnswer<T>>,
  ): Promise<T> {
    const { attempt } = this;
    return attempt.once(key, async () => {
      const digest = input === undefined ? null : await digestOf(input);
      const path = `/steps/${encodeURIComponent(key)}`;
      if (!attempt.isNew) {
        const asked = new URLSearchParams({ attempt: String(attempt.number), kind });
        if (digest !== null) asked.set("input", digest);
        const { step } = await attempt.ask<StepLookAnswer>(
          "GET",
          `${path}?${asked.toString()}`,
          undefined,
          key,
        );
        if (step !== null) return step.output as T; // recorded by this very step of an earlier attempt
      }
      const { output, ...rest } = await make();
      const body = {
        attempt: attempt.number,
        kind,
        ...(digest === null ? {} : { input: digest }),
        output: output ?? null,
        ...rest,
      };
      return (await attempt.ask<StepAnswer>("PUT", path, body, key)).output as T; // what was just sent, or was there before
    });
  }
}
