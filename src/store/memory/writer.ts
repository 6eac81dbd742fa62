import type { Clock } from "../../base/index.ts";
import { Fault, delay, msOf } from "../../base/index.ts";
import type { Answer, FlushAnswer, Proof, Request, Writer } from "../request.ts";
import type { MemoryDatabase } from "./database.ts";
import type { Faults, MemoryFault } from "./faults.ts";

/** Carries flushes to a MemoryDatabase, and suffers what the faults say. Dead after a crash; the database lives on. */
export class MemoryWriter implements Writer {
  private readonly database: MemoryDatabase;
  private readonly clock: Clock;
  private readonly faults: Faults;
  private wallOffsetMs = 0;
  private death: Fault | null = null;

  constructor(database: MemoryDatabase, clock: Clock, faults: Faults) {
    this.database = database;
    this.clock = clock;
    this.faults = faults;
  }

  get deadBecause(): Fault | null {
    return this.death;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  soon(action: () => void): void {
    queueMicrotask(action);
  }

  /** The node dies now, between two flushes. */
  crash(): void {
    this.death ??= new Fault("store-unavailable", "the store has crashed", { effect: "none" });
  }

  async flush(requests: readonly Request[], proof: Proof | null): Promise<FlushAnswer> {
    const suffered = this.faults.draw();
    if (suffered.has("time-jump")) this.wallOffsetMs += this.faults.timeJumpMs();
    if (suffered.has("lost-lease") && proof !== null) this.database.usurp(proof.name);
    if (suffered.has("slow-flush")) await delay(this.clock, this.faults.slowFlushMs());
    if (suffered.has("disk-full")) {
      throw new Fault("store-unavailable", "the disk is full (injected)", { effect: "none" });
    }
    if (this.death !== null || suffered.has("crash-before-commit")) throw this.die("before");
    const answer = this.apply(requests, proof);
    if (suffered.has("crash-after-commit")) throw this.die("after");
    return answer;
  }

  private apply(requests: readonly Request[], proof: Proof | null): FlushAnswer {
    const storeNowMs = this.database.advance(msOf(this.clock.wall()) + this.wallOffsetMs);
    const isLost = proof !== null && !this.database.holds(proof);
    const answers = requests.map((request): Answer =>
      isLost && !isAboutLeases(request)
        ? new Fault("lease-lost", `lease ${proof.name} is no longer held with fence ${proof.fence}`)
        : this.database.answer(request, storeNowMs),
    );
    return { storeNowMs, answers };
  }

  private die(when: "before" | "after"): Fault {
    this.crash();
    const fault: MemoryFault = `crash-${when}-commit`;
    return new Fault("store-unavailable", `the store crashed (injected: ${fault})`, { effect: "unknown" });
  }
}

function isAboutLeases(request: Request): boolean {
  return request.kind.endsWith("-lease") || request.kind === "now";
}
