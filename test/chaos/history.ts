import { appendFileSync } from "node:fs";

/** What somebody wanted done once: whoever asks again asks for the same, under the same name. */
export interface Wish {
  /** What the upstream is paid for; of this wish alone. */
  readonly to: string;
  /**
   *  read        changes nothing
   *  effect      must not be carried out twice
   *  idempotent  may arrive again, under one key, and counts once
   */
  readonly class: "read" | "effect" | "idempotent";
  /** People are asked before it runs. */
  readonly isApproved: boolean;
  /** What makes it repeat-safe: a run's step, or a key. null = nothing. */
  readonly name: { readonly step: string } | { readonly key: string } | null;
}

/**
 *  done     a result, with its receipt
 *  refused  a no, with our code
 *  lost     the connection broke, or nobody answered in time
 */
export type Heard =
  | { readonly kind: "done"; readonly text: string; readonly entry: string; readonly leaf: string }
  | { readonly kind: "refused"; readonly code: string; readonly effect: string }
  | { readonly kind: "lost" };

/** One request of a client, and what it heard. Wall time, of the machine that all of it runs on. */
export interface Exchange {
  readonly wish: Wish;
  readonly node: string;
  readonly askedAt: number;
  readonly heardAt: number;
  readonly heard: Heard;
}

/** What the upstream has really been asked for, in the order in which it came. */
export interface Effect {
  readonly tool: string;
  readonly to: string;
  /** The idempotency key that came with it; null = none did. */
  readonly key: string | null;
  readonly at: number;
}

/** The state of a tenant's log as one node signed it. */
export interface SeenCheckpoint {
  readonly node: string;
  readonly size: number;
  readonly root: string;
  readonly at: number;
}

/** What clients saw, in memory for the checker and in a file for whoever has to find out what happened. */
export class History {
  readonly exchanges: Exchange[] = [];
  readonly checkpoints: SeenCheckpoint[] = [];
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  add(exchange: Exchange): void {
    this.exchanges.push(exchange);
    appendFileSync(this.file, `${JSON.stringify(exchange)}\n`);
  }

  saw(checkpoint: SeenCheckpoint): void {
    this.checkpoints.push(checkpoint);
    appendFileSync(this.file, `${JSON.stringify({ checkpoint })}\n`);
  }

  /** What went on, among it what was done to the world. */
  note(what: string, at: number): void {
    appendFileSync(this.file, `${JSON.stringify({ note: what, at })}\n`);
  }

  count(kind: Heard["kind"]): number {
    return this.exchanges.filter(({ heard }) => heard.kind === kind).length;
  }
}
