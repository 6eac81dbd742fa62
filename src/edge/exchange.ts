import type { IncomingMessage, ServerResponse } from "node:http";
import type { MonotonicMs } from "../base/index.ts";
import type { CallInput } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";

/** An authenticated request on its way to an era. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  /** Asks again who the caller is: the same token, today's answer. */
  readonly authenticate: CallInput["authenticate"];
  readonly receivedAt: MonotonicMs;
}
