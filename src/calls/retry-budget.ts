/**
 * Retries as a share of calls, so that a failing upstream cannot double its own load: each call earns a tenth of a retry, at
 * most ten are kept, and each retry spends one.
 */
export class RetryBudget {
  private tenths = 100;

  earn(): void {
    if (this.tenths < 100) this.tenths++;
  }

  take(): boolean {
    if (this.tenths < 10) return false;
    this.tenths -= 10;
    return true;
  }
}
