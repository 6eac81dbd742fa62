/** Those who want to hear of one thing. */
export class Listeners<About extends readonly unknown[]> {
  private readonly all = new Set<(...about: About) => void>();

  /** Returns how to stop listening. */
  add(listener: (...about: About) => void): () => void {
    this.all.add(listener);
    return () => this.all.delete(listener);
  }

  tell(...about: About): void {
    for (const listener of this.all) listener(...about);
  }

  clear(): void {
    this.all.clear();
  }
}
