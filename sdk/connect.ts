import type { AttachAnswer, RunEndAnswer } from "../contract/index.ts";
import { Attempt } from "./attempt.ts";
import { RunFailed, errorFor } from "./errors.ts";
import { Step } from "./step.ts";
import type { Recovery } from "./model-step.ts";
import type { Wire } from "./wire.ts";

export interface ConnectOptions {
  /** Of the node, without a path: `http://127.0.0.1:7070`. */
  readonly url: string;
  /** The agent's token, or how to get one; a function is asked with every request. */
  readonly token: string | (() => string | Promise<string>);
  /** In place of the runtime's own. */
  readonly fetch?: typeof fetch;
}

export interface RunOptions extends Recovery {
  /** Tokens that the model steps of the run may use. Heard when the run is made; only a person raises it. */
  readonly tokensMax?: number;
  /** How long after its beginning the run fails if it is still open. Heard when the run is made. */
  readonly deadlineMs?: number;
  /** What starts the program again when it has died, by its name in the node's configuration. Heard when the run is made. */
  readonly hook?: string;
  /**
   * With a hook: when nothing but waiting is left and it has taken, or will take, longer than this, `run` says so and throws `AtRest`. End
   * the program then: it is started again when a timer is due or a signal has come. Left out = it waits in this process.
   */
  readonly restAfterMs?: number;
  /** Work as this attempt, which somebody else has attached, in place of attaching a new one. */
  readonly attempt?: number;
  /** Stops this process's work; the run stays open. */
  readonly signal?: AbortSignal;
}

export interface Signalbox {
  /**
   * Works on the run of this name until it ends, and gives its result; a run that has finished gives the result on record, without
   * doing anything. `work` is the same program every time: what it does outside of steps it does again at every start.
   *
   * An error that `work` throws leaves the run open, so that starting the program again goes on with it. `RunFailed` ends it.
   */
  run<T>(name: string, work: (step: Step) => Promise<T>, options?: RunOptions): Promise<T>;
}

/** Nothing is sent before the first run. */
export function connect(options: ConnectOptions): Signalbox {
  const { token } = options;
  const wire: Wire = {
    url: options.url.replace(/\/+$/, ""),
    token: typeof token === "string" ? () => token : token,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    paramHeaders: new Map(),
  };
  return { run: (name, work, more = {}) => runOn(wire, name, work, more) };
}

async function runOn<T>(
  wire: Wire,
  name: string,
  work: (step: Step) => Promise<T>,
  options: RunOptions,
): Promise<T> {
  const attached = await attach(wire, name, options);
  if (attached.end !== null) return resultOf(name, attached.end) as T; // what `work` of this run gave once
  const attempt = new Attempt(wire, attached, options.restAfterMs ?? null, options);
  const stop = () => attempt.end(options.signal?.reason);
  options.signal?.addEventListener("abort", stop, { once: true });
  void attempt.stayAlive();
  try {
    const ending = await outcomeOf(work, new Step(attempt), attempt);
    // Not by the attempt's signal, which what has failed the run may have set off. The caller's own still counts.
    const { signal = new AbortController().signal } = options;
    return resultOf(name, await attempt.ask<RunEndAnswer>("POST", "/end", ending, null, signal)) as T; // as above
  } finally {
    options.signal?.removeEventListener("abort", stop);
    attempt.end(new Error("the run is over in this process"));
  }
}

/** `work`'s own end: what it gave, or why it failed for good. */
async function outcomeOf<T>(work: (step: Step) => Promise<T>, step: Step, attempt: Attempt) {
  const { number, signal } = attempt;
  try {
    const result = (await work(step)) ?? null;
    signal.throwIfAborted(); // it was stopped, and `work` was not told
    return { attempt: number, state: "finished", result } as const;
  } catch (thrown) {
    // What stopped this process, and not what a runtime between us and `work` made of it.
    const reason: unknown = signal.aborted ? signal.reason : thrown;
    if (!(reason instanceof RunFailed)) throw reason;
    return { attempt: number, state: "failed", reason: reason.message || "it gave no reason" } as const;
  }
}

async function attach(wire: Wire, name: string, options: RunOptions): Promise<AttachAnswer> {
  const { attempt, deadlineMs, hook, tokensMax, signal } = options;
  signal?.throwIfAborted();
  // Attempt 0 asks in nobody's name yet: the run answers with the number.
  const nobody = new Attempt(
    wire,
    { name, attempt: attempt ?? 0, isNew: false, aliveForMs: 0, tokens: { used: 0, max: null } },
    null,
  );
  const stop = () => nobody.end(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (attempt === undefined)
      return await nobody.ask(
        "POST",
        "/attach",
        {
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
          ...(hook === undefined ? {} : { hook }),
          ...(tokensMax === undefined ? {} : { tokensMax }),
        },
        null,
      );
    const state = await nobody.ask<Omit<AttachAnswer, "isNew" | "aliveForMs">>(
      "GET",
      "/state",
      undefined,
      null,
    );
    if (state.end !== null) return { ...state, isNew: false, aliveForMs: 0 };
    const { aliveForMs } = await nobody.ask<Pick<AttachAnswer, "aliveForMs">>(
      "POST",
      "/alive",
      { attempt },
      null,
    );
    return { ...state, attempt, isNew: false, aliveForMs };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function resultOf(name: string, end: RunEndAnswer): unknown {
  if (end.state === "finished" && !end.isErased) return end.result;
  throw errorFor({
    code: end.isErased ? "erased" : "run-ended",
    message: `run "${name}" ${end.state === "failed" ? "has failed" : `is ${end.state}`}${end.reason === null ? "" : `: ${end.reason}`}`,
    retry: "never",
    effect: end.isErased ? "done" : "none",
    step: null,
    receipt: end.receipt,
  });
}
