/** Something that remembers where in `InFlight` it stands. */
export interface Placed {
  /** -1 = nowhere. Written by `InFlight` alone. */
  place: number;
}

/**
 * Those under way, in no order; entering and leaving are constant time. An array that only grows, and not a Set: a Set with
 * steady turnover leaves a table behind every few hundred changes, and that points to the next one. As soon as one such leftover
 * has grown old, the young collector keeps every later table and all that ever stood in it, until the next full collection.
 * Measured at 64 calls under way: 10 KB kept per call, and 9 to 14 ms per young collection instead of 3.
 */
export class InFlight<T extends Placed> {
  private readonly members: (T | null)[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  enter(member: T): void {
    member.place = this.count;
    this.members[this.count++] = member;
  }

  /** Nothing when it is not in. */
  leave(member: T): void {
    const { place } = member;
    if (place === -1) return;
    member.place = -1;
    const last = this.members[--this.count] ?? null;
    this.members[this.count] = null;
    if (last === null || last === member) return;
    last.place = place;
    this.members[place] = last;
  }

  /** From the last to the first, so that `visit` may make the one it is given leave. */
  forEach(visit: (member: T) => void): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const member = this.members[i] ?? null;
      if (member !== null) visit(member);
    }
  }
}
