/**
 * Acts on one run that count something in its row, one after the other on this node: many at the same moment would all be made from the
 * same count, and all but one fail. Between nodes the guards of the writes decide.
 */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>();

  /** `run`: any name that is its alone. */
  async inTurn<T>(run: string, act: () => Promise<T>): Promise<T> {
    const before = this.last.get(run) ?? Promise.resolve();
    const mine = before.then(act, act);
    this.last.set(run, mine);
    try {
      return await mine;
    } finally {
      if (this.last.get(run) === mine) this.last.delete(run);
    }
  }
}
