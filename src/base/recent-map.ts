/**
 * A Map of at most `max` entries: of more, the one that was set or used longest ago goes. Taking the first key of a plain Map, for each new
 * one, walks over the holes that those before it left: 7 µs at 10,000 entries, 26 at 50,000, where going on with one iterator takes 0.3.
 */
export class RecentMap<K, V> {
  readonly max: number;
  private readonly entries = new Map<K, V>();
  /**
   * Everything before it is gone: what is set again moves behind it. It holds on to each table that the Map has outgrown since it last went
   * on, with all that stood there; hence it is given up where much is set and nothing has to go. null = the next search begins anew.
   */
  private oldest: MapIterator<K> | null = null;
  private setsSinceSearch = 0;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.entries.size;
  }

  has(key: K): boolean {
    return this.entries.has(key);
  }

  /** Leaves it where it is in the order. */
  get(key: K): V | undefined {
    return this.entries.get(key);
  }

  /** As `get`, and nobody's use is later. */
  use(key: K): V | undefined {
    const value = this.entries.get(key);
    if (value !== undefined && this.isOrdered) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    if (this.isOrdered) this.entries.delete(key);
    this.entries.set(key, value);
    if (++this.setsSinceSearch > this.max) this.oldest = null;
    while (this.entries.size > this.max) this.entries.delete(this.takeOldest());
  }

  delete(key: K): boolean {
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
    this.oldest = null;
  }

  /** Order matters only once something may have to go. */
  private get isOrdered(): boolean {
    return this.entries.size > this.max / 2;
  }

  private takeOldest(): K {
    this.setsSinceSearch = 0;
    let next = (this.oldest ??= this.entries.keys()).next();
    if (next.done === true) {
      this.oldest = this.entries.keys();
      next = this.oldest.next();
    }
    return next.value as K; // more than `max` are there
  }
}
