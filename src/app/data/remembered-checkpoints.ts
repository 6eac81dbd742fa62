import { existsSync, readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { CancelTimer, Clock } from "../../base/index.ts";
import { Fault, parseStrictJson } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";

export const rememberedFileName = "remembered-checkpoints";

/** The recoveries that were on record when the file beside it was last true. */
const knownRecoveriesFileName = "known-recoveries";

/** A checkpoint is signed four times a second under load; one that is two seconds old tells as well that a log was put back. */
const writeEveryMs = 2_000;

/**
 * The newest checkpoint of every tenant, in a file of the data directory that is not part of the store: a store that was put back to an
 * earlier state, by whatever means, is found by it at the next start.
 */
export class RememberedCheckpoints {
  private readonly file: string;
  private readonly recoveriesFile: string;
  private readonly clock: Clock;
  private readonly onTrouble: (doing: string, thrown: unknown) => void;
  private checkpoints = new Map<TenantId, string>();
  private cancel: CancelTimer | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly directory: string;
    readonly clock: Clock;
    readonly onTrouble: (doing: string, thrown: unknown) => void;
  }) {
    this.file = join(options.directory, rememberedFileName);
    this.recoveriesFile = join(options.directory, knownRecoveriesFileName);
    this.clock = options.clock;
    this.onTrouble = options.onTrouble;
  }

  /** What an earlier process of this directory has seen. Throws `config-invalid` when that is there and cannot be read. */
  read(): ReadonlyMap<TenantId, string> {
    let text: string;
    try {
      text = readFileSync(this.file, "utf8");
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return this.checkpoints;
      throw this.unreadable(thrown);
    }
    const parsed = parseStrictJson(text);
    if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) throw this.unreadable(null);
    const entries = Object.entries(parsed.value as Readonly<Record<string, unknown>>);
    if (!entries.every(([, note]) => typeof note === "string")) throw this.unreadable(null);
    this.checkpoints = new Map(entries as [never, string][]); // as `write` wrote it
    return this.checkpoints;
  }

  /** It has become the newest of its tenant. */
  note(tenant: TenantId, checkpoint: string): void {
    this.checkpoints.set(tenant, checkpoint);
    this.cancel ??= this.clock.after(writeEveryMs, () => {
      this.cancel = null;
      void this.write();
    });
  }

  /**
   * One that is not among them is newer than all that is remembered here, and explains what does not fit. null = this directory has not
   * said yet which it knows; then it knows all.
   */
  knownRecoveries(): ReadonlySet<string> | null {
    if (!existsSync(this.recoveriesFile)) return null;
    return new Set(readFileSync(this.recoveriesFile, "utf8").split("\n").filter(Boolean));
  }

  async know(recoveries: readonly string[]): Promise<void> {
    const known = this.knownRecoveries();
    if (known !== null && known.size === recoveries.length && recoveries.every((id) => known.has(id))) return;
    await this.put(this.recoveriesFile, recoveries.map((id) => `${id}\n`).join(""));
  }

  /** From here on these count: what was remembered of before has been dealt with, by these recoveries. */
  async replace(checkpoints: ReadonlyMap<TenantId, string>, recoveries: readonly string[]): Promise<void> {
    this.checkpoints = new Map(checkpoints);
    // In this order: with the recoveries known, and the old checkpoints still there, the next start would begin another review.
    await this.write();
    await this.know(recoveries);
  }

  /** Writes what is not written yet. Safe to call twice. */
  async stop(): Promise<void> {
    await this.writing;
    if (this.cancel === null) return;
    this.cancel();
    this.cancel = null;
    await this.write();
  }

  /** One after the other: they go by one name until they are whole. */
  private write(): Promise<void> {
    this.writing = this.writing.then(() =>
      this.put(this.file, `${JSON.stringify(Object.fromEntries(this.checkpoints), null, 2)}\n`),
    );
    return this.writing;
  }

  /** The old text or the new one is there after a power cut, never half of one. */
  private async put(file: string, content: string): Promise<void> {
    try {
      const fresh = `${file}.new`;
      const handle = await open(fresh, "w", 0o600);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(fresh, file);
    } catch (thrown) {
      this.onTrouble("remembering checkpoints", thrown);
    }
  }

  private unreadable(cause: unknown): Fault {
    return new Fault(
      "config-invalid",
      `${this.file} cannot be read, and without it nobody notices a database that was put back to an earlier state: look why; if the database is surely whole, remove the file`,
      { cause },
    );
  }
}
