import type { CauseClass, Code, Effect, ReceiptReference, Retry } from "../contract/index.ts";
import { codes, metaKeys } from "../contract/index.ts";
import type { SignalboxError } from "./errors.ts";
import { errorFor, isCode } from "./errors.ts";
import type { ParamHeader } from "./param-headers.ts";

/** How a node is reached. */
export interface Wire {
  /** Without a slash at its end. */
  readonly url: string;
  /** Asked for with every request, so that a token may be short-lived. */
  readonly token: () => string | Promise<string>;
  readonly fetch: typeof fetch;
  /** By tool: its arguments that travel as headers too, learnt when the node asked for them. One row for each such tool that was called. */
  readonly paramHeaders: Map<string, readonly ParamHeader[]>;
}

export interface Ask {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** For errors. */
  readonly step: string | null;
  /** Stops waiting. */
  readonly signal: AbortSignal;
  /** How long to go on asking when no node answers, or one says that it has no room right now. */
  readonly patienceMs: number;
}

/** A refusal as it came over any of the two wires. */
export interface Said {
  readonly code: Code;
  readonly cause: CauseClass;
  readonly retry: Retry;
  readonly effect: Effect;
  readonly message: string;
  readonly receipt: ReceiptReference | null;
}

/** What an answer comes to. */
export type Heard<T> =
  | { readonly kind: "answer"; readonly value: T }
  | { readonly kind: "said"; readonly said: Said };

/** Even the last try is given the time of a slow disk. */
const answerMsMin = 10_000;
const pauseFirstMs = 100;
/** Longer pauses only make the first answer after a restart later. */
const pauseMsMax = 3_000;

/**
 * Asks until there is an answer, or no more patience. Asking again is safe: what is asked here is under a step or repeats harmlessly.
 * `read` makes of a response what was answered or refused.
 */
export async function ask<T>(
  wire: Wire,
  asked: Ask,
  read: (status: number, text: string) => Heard<T>,
): Promise<T> {
  // A node that took a request and never answers must not hold its agent for longer than that either. Not `AbortSignal.timeout`: that
  // would hold on to what has been asked for as long, and a process that drives thousands of runs asks much.
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(),
    Math.min(Math.ceil(Math.max(asked.patienceMs, answerMsMin)), timerMsMax),
  );
  try {
    return await askUntil(wire, asked, AbortSignal.any([asked.signal, late.signal]), read);
  } finally {
    clearTimeout(timer);
  }
}

async function askUntil<T>(
  wire: Wire,
  { method, path, body, headers, step, signal, patienceMs }: Ask,
  whole: AbortSignal,
  read: (status: number, text: string) => Heard<T>,
): Promise<T> {
  const endAt = performance.now() + patienceMs;
  for (let pauseMs = pauseFirstMs; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
    signal.throwIfAborted();
    const isLast = performance.now() + pauseMs >= endAt;
    try {
      const response = await wire.fetch(`${wire.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await wire.token()}`,
          accept: "application/json, text/event-stream",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: whole,
      });
      const heard = read(response.status, await response.text());
      if (heard.kind === "answer") return heard.value;
      if (isLast || !passes(heard.said)) throw refusal(heard.said, step);
    } catch (thrown) {
      signal.throwIfAborted();
      // `fetch` and reading a body say with a TypeError that the way was lost; everything else is an answer, or a mistake of ours.
      if (!(thrown instanceof TypeError) && !whole.aborted) throw thrown;
      if (isLast || whole.aborted) throw unreachable(wire, step, thrown);
    }
    await pause(pauseMs, signal);
  }
}

const refusal = ({ code, message, retry, effect, receipt }: Said, step: string | null): SignalboxError =>
  errorFor({ code, message, retry, effect, receipt, step });

/** Nothing happened, and the same again may well be taken: no room right now, or what it needs is starting. */
const passes = ({ cause, retry, effect }: Said): boolean =>
  retry !== "never" && effect === "none" && (cause === "overload" || cause === "dependency");

const unreachable = (wire: Wire, step: string | null, cause: unknown): SignalboxError =>
  errorFor({
    code: "unreachable",
    message: `${wire.url} cannot be reached`,
    retry: "later",
    effect: "unknown",
    step,
    receipt: null,
    cause,
  });

/** Timers of every runtime count in 31 bits. */
const timerMsMax = 2 ** 30;

/** Resolves after `ms`, however many, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const endAt = performance.now() + ms;
  for (let leftMs = ms; leftMs > 0; leftMs = endAt - performance.now())
    await timer(Math.min(leftMs, timerMsMax), signal);
}

function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(running);
      reject(signal.reason as Error);
    };
    const running = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}

/** An answer of the HTTP API: the body as it is, or `{error}`. */
export function readApi<T>(status: number, text: string): Heard<T> {
  const body = parsed(status, text);
  if (status < 300) return { kind: "answer", value: body as T }; // the contract's shape, from a node that we trust with our token
  const error = (body as { readonly error?: Readonly<Record<string, unknown>> }).error;
  if (error === undefined || !isCode(error["code"])) throw notOurs(status, text);
  const { message, detail } = error;
  return { kind: "said", said: said(error["code"], error, sentences(message, detail), null) };
}

/** What an MCP answer's `_meta`, or its error's `data`, says no with; null = nothing of ours, or in a word that we do not know. */
export function refusalOf(
  meta: Readonly<Record<string, unknown>>,
  message: string,
  receipt: ReceiptReference | null,
): Said | null {
  const refusal = meta[metaKeys.refusal] as Readonly<Record<string, unknown>> | undefined;
  const code = refusal?.["code"];
  return refusal !== undefined && isCode(code) ? said(code, refusal, message, receipt) : null;
}

function said(
  code: Code,
  more: Readonly<Record<string, unknown>>,
  message: string,
  receipt: ReceiptReference | null,
): Said {
  const row = codes[code];
  return {
    code,
    message,
    receipt,
    cause: row.cause,
    // The node knows better than the row where the very same code has had an effect.
    retry: (more["retry"] as Retry | undefined) ?? row.retry,
    effect: (more["effect"] as Effect | undefined) ?? row.effect,
  };
}

const sentences = (...parts: readonly unknown[]): string =>
  parts.filter((part) => typeof part === "string" && part !== "").join(" ");

export function parsed(status: number, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw notOurs(status, text);
  }
}

/** Something between us and the node answered: a proxy that finds no node says so with 502 to 504, which passes. */
export function notOurs(status: number, text: string): Error {
  const message = `HTTP ${status} that is no answer of Signalbox: ${text.slice(0, 200)}`;
  return status >= 502 && status <= 504 ? new TypeError(message) : new Error(message);
}
