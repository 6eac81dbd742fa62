import { Fault } from "../base/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { RunId } from "../ledger/index.ts";
import type { Retries } from "./retries.ts";

/** Which agent is to be started, and for what. */
export interface StartOrder {
  /** Of this start, the same should it be told twice. */
  readonly id: string;
  readonly tenant: TenantId;
  /** In whose name its agent acts. */
  readonly owner: PrincipalId;
  readonly run: RunId;
  /** As its agent calls it. */
  readonly name: string;
  /** The newest attempt so far; the program attaches a next one. */
  readonly attempt: number;
  /** How often the agent has been started since it last recorded a step or put itself to rest, this one included. */
  readonly start: number;
}

/** What a program that is started finds in its environment. */
export const orderVariables = ({ name, run, attempt, start }: StartOrder) => ({
  SIGNALBOX_RUN: name,
  SIGNALBOX_RUN_ID: run,
  SIGNALBOX_ATTEMPT: String(attempt),
  SIGNALBOX_START: String(start),
});

/** Starts an agent again. Whether it got on is seen by its attaching, not here. */
export interface Hook {
  /** The run is dead when its agent was started so often and did not get on: no step, no rest, no end. */
  readonly startsMax: number;
  /** How long what it starts may take to attach, until that counts as a start that failed. Doubled with each. Left out = `startFirstMs`. */
  readonly attachWithinMs?: number;
  /** Left out = `defaultRetries`. */
  readonly retries?: Retries;
  /** Whether what it starts ends when the node dies. Left out = no, or nobody knows: it says by itself that it lives. */
  readonly endsWithNode?: boolean;
  /** Whether this principal may have its agent started so: a hook's program holds somebody's token and works in that name. */
  isFor(owner: Principal): boolean;
  /** So many more starts it takes just now; a run that finds no room waits, and that counts as no start. */
  readonly room: number;
  /** Rejects when nothing was started; with `startRefused` where trying again cannot help. */
  start(order: StartOrder): Promise<void>;
  /** Ends what it started. Safe to call twice. */
  stop(): Promise<void>;
}

/** What a hook rejects with that would refuse the same start again: somebody has to change something. */
export const startRefused = (message: string): Fault =>
  new Fault("upstream-rejected", message, { retry: "never" });

/** Nothing was started, and the next start may succeed. */
export const startFailed = (message: string): Fault =>
  new Fault("upstream-rejected", message, { retry: "later" });

export const isStartRefused = (thrown: unknown): boolean =>
  thrown instanceof Fault && thrown.code === "upstream-rejected" && thrown.retry === "never";
