/** Inserts into a table in which a key was taken ask first, so many times: a flush that hoped in vain is carried a second time. */
const askedInsertsMax = 1_024;

/** A key was taken, and the statement that hoped it free failed for all. Nothing is committed; whoever carries the flush again asks. */
export class HopedInVain extends Error {
  readonly table: string;

  constructor(table: string) {
    super(`a key of ${table} was hoped free and is taken`);
    this.table = table;
  }
}

/**
 * Nearly every key that is inserted is free: entries have new ids, and of a step that is recorded twice the second attempt is rare. So it is hoped, which
 * costs two thirds of what asking does. Where keys are taken as a matter of course (a signal that is there already), a table asks nearly always.
 */
export class Hopes {
  private readonly asksLeft = new Map<string, number>();

  /** Whether the next insert into this table may hope. To be asked once for each. */
  takeFor(table: string): boolean {
    const left = this.asksLeft.get(table);
    if (left === undefined) return true;
    if (left > 1) this.asksLeft.set(table, left - 1);
    else this.asksLeft.delete(table);
    return false;
  }

  dash(table: string): void {
    this.asksLeft.set(table, askedInsertsMax);
  }
}
