/** First in, first out, never longer than `max`. Taking from the front is constant time. */
export class BoundedQueue<T> {
  readonly max: number;
  private items: (T | undefined)[] = [];
  private head = 0;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.items.length - this.head;
  }

  /** False when full; the item was not taken in. */
  offer(item: T): boolean {
    if (this.size >= this.max) return false;
    this.items.push(item);
    return true;
  }

  take(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head++] = undefined;
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** Takes up to `count` items, oldest first. */
  takeMany(count: number): T[] {
    const out: T[] = [];
    while (out.length < count && this.size > 0) out.push(this.take() as T);
    return out;
  }
}
