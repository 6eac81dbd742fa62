import type { Reply } from "./reply.ts";

/** A governed request of a session that has not been answered yet. */
export class OpenCall {
  readonly id: string | number;
  readonly reply: Reply;
  /** Ids of questions that this call asks its client. */
  readonly asks = new Set<string>();
  private readonly controller = new AbortController();

  constructor(id: string | number, reply: Reply) {
    this.id = id;
    this.reply = reply;
  }

  /** A lost connection does not abort it in this era (2025-11-25, transports); a withdrawal does. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The client no longer wants the answer, so it gets none. What the call did is recorded all the same. */
  withdraw(): void {
    this.controller.abort();
    this.reply.abandon();
  }
}
