import type { Connection } from "./connection.ts";

/**
 * A flush whose commit was sent. The next one is sent right behind it, over the same connection, so that the database has it when it is done with
 * this one. Should this one not be acknowledged, that one gives way before anything is looked up, and is carried again afterwards.
 */
export class Committing {
  readonly connection: Connection;
  readonly flush: number;
  /** Resolves once its callers know. */
  readonly isOver: Promise<void>;
  private readonly answer = Promise.withResolvers<boolean>();

  constructor(connection: Connection, flush: number, isOver: Promise<void>) {
    this.connection = connection;
    this.flush = flush;
    this.isOver = isOver;
  }

  /** False: it may stand all the same. */
  get isAcknowledged(): Promise<boolean> {
    return this.answer.promise;
  }

  acknowledge(isAcknowledged: boolean): void {
    this.answer.resolve(isAcknowledged);
  }
}
