/**
 * Items of several owners, whose turn it is one after the other: first come first served among each owner's own, and an owner with a
 * thousand in front is no further ahead than one with one. Any item can be taken out at once, wherever it stands.
 */
export class FairQueue<T> {
  /** The owner whose turn is next first. No set is empty. */
  private readonly owners = new Map<string, Set<T>>();

  get isEmpty(): boolean {
    return this.owners.size === 0;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const items of this.owners.values()) yield* items;
  }

  add(owner: string, item: T): void {
    const items = this.owners.get(owner);
    if (items === undefined) this.owners.set(owner, new Set([item]));
    else items.add(item);
  }

  /** null = it is empty. */
  first(): T | null {
    for (const items of this.owners.values()) for (const item of items) return item;
    return null;
  }

  /** Takes the first one out: its owner had its turn. */
  shift(): void {
    const [turn] = this.owners;
    if (turn === undefined) return;
    const [owner, items] = turn;
    const [item] = items;
    items.delete(item as T); // no set is empty
    this.owners.delete(owner);
    if (items.size > 0) this.owners.set(owner, items);
  }

  /** Takes this one out; nobody's turn changes. */
  delete(owner: string, item: T): void {
    const items = this.owners.get(owner);
    if (items?.delete(item) === true && items.size === 0) this.owners.delete(owner);
  }
}
