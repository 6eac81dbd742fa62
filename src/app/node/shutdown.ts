export interface FailedStep {
  readonly doing: string;
  readonly thrown: unknown;
}

/** What has to be undone, last first. A step that throws is reported and the next one runs. */
export class Shutdown {
  private readonly steps: { readonly doing: string; readonly step: () => unknown }[] = [];

  add(doing: string, step: () => unknown): void {
    this.steps.push({ doing, step });
  }

  /** Runs and forgets every step; a second run finds nothing. */
  async run(): Promise<readonly FailedStep[]> {
    const failed: FailedStep[] = [];
    for (let next = this.steps.pop(); next !== undefined; next = this.steps.pop()) {
      try {
        await next.step();
      } catch (thrown) {
        failed.push({ doing: next.doing, thrown });
      }
    }
    return failed;
  }
}
