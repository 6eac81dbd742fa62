import type { Value } from "../table.ts";
import type { Rows } from "./connection.ts";

/** Of one way to get, so many statements may be under way: one on its way there while the other's answer is on its way back. */
const underWayMax = 2;
/** Keys in one statement: beyond, the answer of the last is late for those of the first. */
const keysMax = 256;

/** Which row each key has; null = none. */
type GetMany = (keys: readonly (readonly Value[])[]) => Promise<(Rows[number] | null)[]>;

interface Waiting {
  readonly key: readonly Value[];
  readonly settle: (row: Rows[number] | null) => void;
  readonly fail: (thrown: unknown) => void;
}

/**
 * Gets of one table by one key. Who comes while two statements are under way waits, and goes in the next one together with all others that
 * wait: a round trip costs the database far more than a row. Each sees everything that was committed before it was asked for, since its statement is
 * sent later.
 */
export class GatheredGets {
  private readonly getMany: GetMany;
  private waiting: Waiting[] = [];
  private underWay = 0;

  constructor(getMany: GetMany) {
    this.getMany = getMany;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  get(key: readonly Value[]): Promise<Rows[number] | null> {
    return new Promise((settle, fail) => {
      this.waiting.push({ key, settle, fail });
      this.send();
    });
  }

  private send(): void {
    if (this.underWay >= underWayMax || this.waiting.length === 0) return;
    const batch = this.waiting.slice(0, keysMax);
    this.waiting = this.waiting.slice(keysMax);
    this.underWay++;
    this.getMany(batch.map(({ key }) => key))
      .then(
        (rows) => {
          for (const [i, { settle }] of batch.entries()) settle(rows[i] ?? null);
        },
        (thrown: unknown) => {
          for (const { fail } of batch) fail(thrown);
        },
      )
      .finally(() => {
        this.underWay--;
        this.send();
      });
  }
}
