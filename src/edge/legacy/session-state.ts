import type { MonotonicMs } from "../../base/index.ts";
import type { CallInput } from "../../calls/index.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import type { OpenCall } from "./open-call.ts";
import type { Session } from "./session-ids.ts";
import type { SessionListener } from "./session-listener.ts";

type Asker = NonNullable<CallInput["ask"]>;
/** A question of a server to its client, and what came back. */
export type Ask = Parameters<Asker>[0][string];
export type AskAnswer = Awaited<ReturnType<Asker>>[string];

/** What is kept of a session while something of it is open. Without any of this a session is its id and nothing else. */
export class SessionState {
  readonly session: Session;
  readonly calls = new Set<OpenCall>();
  readonly asks = new Map<string, (answer: AskAnswer) => void>();
  /** null = the client has neither a stream nor a subscription. */
  listener: SessionListener | null = null;
  /** null = the client has not said. */
  logLevel: string | null = null;
  lastUsedAt: MonotonicMs;

  constructor(session: Session, now: MonotonicMs) {
    this.session = session;
    this.lastUsedAt = now;
  }

  /** Whether something stays that no request of the client holds open. */
  get isKept(): boolean {
    return this.listener !== null || this.logLevel !== null;
  }

  /** One with a stream or a call is not idle; what else there is, is worth its memory for a while. */
  get isIdle(): boolean {
    return this.calls.size === 0 && this.listener?.hasStream !== true;
  }

  /** The client withdraws a request. Which ids are in use is its affair: all calls that bear this one are meant. */
  withdraw(id: unknown): void {
    for (const call of this.calls) if (call.id === id) call.withdraw();
  }

  /** The answer to a question of ours. False = no such question is open here. */
  answer(id: unknown, answer: AskAnswer): boolean {
    const settle = typeof id === "string" ? this.asks.get(id) : undefined;
    settle?.(answer);
    return settle !== undefined;
  }

  /** Closes all that is open. Calls are withdrawn, as their client is gone for good. */
  end(): void {
    for (const call of this.calls) call.withdraw();
    this.logLevel = null;
    this.listener?.close();
  }
}

/** What a posted answer says; `classify` has seen that it has a result or an error. */
export function askAnswerOf({ result, error }: JsonObject): AskAnswer {
  if (isObject(result)) return { kind: "answer", result };
  const { code, message, data } = isObject(error) ? error : noError;
  return {
    kind: "refused",
    error: {
      code: Number.isSafeInteger(code) ? (code as number) : -32_603,
      message: typeof message === "string" ? message : "The client's answer makes no sense.",
      ...(data === undefined ? {} : { data }),
    },
  };
}

const noError: JsonObject = {};
