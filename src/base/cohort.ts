/**
 * Work of one kind, gathered until the turn of the event loop ends and then done one after the other: all requests that have come
 * in, then all that go out, all answers that have come, then all that leave. Nothing waits for company: a single one is done
 * in the same turn. A processor that does one thing sixteen times in a row still has its code and data at hand the second time, which
 * it has not where every request is taken through everything by itself (cohort scheduling: Larus and Parkes, 2002).
 * Measured: a seventh of a governed call's CPU (docs/internals/performance.md).
 */
export class Cohort<T> {
  private readonly each: (item: T) => void;
  private waiting: T[] = [];

  constructor(each: (item: T) => void) {
    this.each = each;
  }

  add(item: T): void {
    if (this.waiting.push(item) === 1) setImmediate(this.run);
  }

  private readonly run = (): void => {
    const { waiting } = this;
    this.waiting = [];
    let done = 0;
    try {
      while (done < waiting.length) this.each(waiting[done++] as T);
    } finally {
      // One that throws ends nobody else's.
      for (; done < waiting.length; done++) this.add(waiting[done] as T);
    }
  };
}
