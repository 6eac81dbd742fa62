import { globSync, readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { Clock } from "../../base/index.ts";
import { canonicalDigest, explain, Fault } from "../../base/index.ts";
import type { PolicySource } from "../../registry/index.ts";

/** How soon a saved file is noticed. Looking costs a few system calls, and works on every file system. */
const lookEveryMs = 1_000;

export interface PolicyFilesOptions {
  readonly clock: Clock;
  /** Absolute glob patterns. */
  readonly patterns: readonly string[];
  /** Called with all texts whenever one of them differs from what was taken before; again at the next look when it rejects. */
  readonly onChange: (sources: readonly PolicySource[]) => Promise<void>;
  /** They cannot be read, or not be taken. Told once per reason. */
  readonly onTrouble: (reason: string) => void;
}

/** Watches the policy files by looking at them. */
export class PolicyFiles {
  private readonly options: PolicyFilesOptions;
  private digest: string | null = null;
  private reason: string | null = null;
  private cancel: (() => void) | null = null;
  private isStopped = false;

  constructor(options: PolicyFilesOptions) {
    this.options = options;
  }

  /** Reads them once, then goes on looking. */
  async start(): Promise<void> {
    await this.look();
    this.lookLater();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  /** Why what stands in the files is not what is on record; null = it is. */
  get trouble(): string | null {
    return this.reason;
  }

  private lookLater(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(lookEveryMs, () => {
      void this.look().finally(() => this.lookLater());
    });
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    try {
      const sources = readPolicyFiles(this.options.patterns);
      const digest = canonicalDigest(sources);
      if (digest !== this.digest) await this.options.onChange(sources);
      this.digest = digest;
      this.reason = null;
    } catch (thrown) {
      const reason = explain(thrown);
      const isNew = reason !== this.reason;
      this.reason = reason;
      if (isNew) this.options.onTrouble(reason);
    }
  }
}

/** Every file the patterns name, sorted by name; names are relative to the folder of the first pattern. */
function readPolicyFiles(patterns: readonly string[]): readonly PolicySource[] {
  const files = [...new Set(patterns.flatMap((pattern) => globSync(pattern)))].toSorted();
  // No file at all is a slip of a name far more often than a wish to deny everything, administrators included.
  if (files.length === 0) throw new Fault("config-invalid", `no file matches ${patterns.join(", ")}`);
  const base = dirname((patterns[0] ?? "/").replace(/[*?{[].*$/, "x"));
  return files.map((file) => ({ name: relative(base, file), text: readFileSync(file, "utf8") }));
}
