/**
 * Whose calls a connection has carried. What its server says there without naming a call (a question, a log message) can be about any
 * of them, also about one that is long over: servers go on talking after an answer, a withdrawal, a deadline. So it is told to a
 * caller only while the connection has carried no other caller's calls, and what two have used stays shared for good.
 */
export class Audience {
  private only: string | null = null; // null = nobody has called yet
  private shared = false;

  /** Before a call of this caller is sent; null = a request of our own (lists, probes), which is about nobody. */
  admit(caller: string | null): void {
    if (caller === null || caller === this.only) return;
    if (this.only === null) this.only = caller;
    else this.shared = true;
  }

  /** Calls of several callers went over it. */
  get isShared(): boolean {
    return this.shared;
  }

  /** Whether it stays with one caller if this one calls. */
  suits(caller: string | null): boolean {
    return !this.shared && (caller === null || this.only === null || this.only === caller);
  }
}
