import { describe, expect, it } from "vitest";
import { Fault, systemClock } from "../base/index.ts";
import { GroupCommit } from "./group-commit.ts";
import type { FlushAnswer, Request, Writer } from "./request.ts";
import { verdictDone } from "./request.ts";

/** Takes flushes and answers when it is told to. */
class PatientWriter implements Writer {
  readonly flushesMax?: number;
  readonly deadBecause = null;
  readonly sizes: number[] = [];
  /** Of the newest flush. */
  sayCommitting: () => void = () => {};
  private readonly open: {
    answer: (value: FlushAnswer) => void;
    fail: (fault: Fault) => void;
    size: number;
  }[] = [];

  constructor(flushesMax?: number) {
    if (flushesMax !== undefined) this.flushesMax = flushesMax;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  soon(action: () => void): void {
    queueMicrotask(action);
  }

  flush(requests: readonly Request[], _proof: unknown, onCommitting?: () => void): Promise<FlushAnswer> {
    this.sizes.push(requests.length);
    this.sayCommitting = onCommitting ?? this.sayCommitting;
    return new Promise((answer, fail) => this.open.push({ answer, fail, size: requests.length }));
  }

  answerOldest(): void {
    const { answer, size } = this.open.shift()!;
    answer({ storeNowMs: 1, answers: Array.from({ length: size }, () => verdictDone) });
  }

  failOldest(): void {
    this.open.shift()!.fail(new Fault("store-unavailable", "told to", { effect: "none" }));
  }
}

const request: Request = { kind: "transaction", writes: [] };
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function opened(flushesMax?: number) {
  const writer = new PatientWriter(flushesMax);
  const commits = new GroupCommit(writer, systemClock, 10_000, () => {});
  await commits.start();
  const settled: string[] = [];
  const offer = (name: string, times = 1) => {
    for (let i = 0; i < times; i++) {
      commits.offer(
        request,
        1,
        () => settled.push(name),
        () => settled.push(`${name} failed`),
      );
    }
  };
  return { writer, commits, settled, offer };
}

describe("group commit", () => {
  it("lets what waits become one flush while the writer is at work", async () => {
    const { writer, offer } = await opened(3);
    offer("a", 2);
    await turn();
    offer("b", 3);
    offer("c", 4);
    await turn();
    expect(writer.sizes).toEqual([2]);
    writer.answerOldest();
    await turn();
    expect(writer.sizes).toEqual([2, 7]);
  });

  it("hands a large flush over beside those under way, and no more than the writer takes", async () => {
    const { writer, offer } = await opened(3);
    offer("a");
    await turn();
    offer("b", 256 + 256 + 300);
    expect(writer.sizes).toEqual([1, 256, 256]);
    writer.answerOldest();
    await turn();
    expect(writer.sizes).toEqual([1, 256, 256, 300]);
  });

  it("hands one flush after the other to a writer that does not say that it takes more", async () => {
    const { writer, offer } = await opened();
    offer("a");
    await turn();
    offer("b", 600);
    await turn();
    expect(writer.sizes).toEqual([1]);
    writer.answerOldest();
    await turn();
    expect(writer.sizes).toEqual([1, 600]);
  });

  it("hands over what waits behind a commit that is under way, unless it is little, and then one after the other", async () => {
    const { writer, offer, settled } = await opened();
    offer("a");
    await turn();
    offer("b", 10);
    writer.sayCommitting();
    expect(writer.sizes).toEqual([1]);
    offer("c", 90);
    writer.sayCommitting();
    expect(writer.sizes).toEqual([1, 100]);
    offer("d", 600);
    writer.answerOldest();
    await turn();
    expect([writer.sizes, settled]).toEqual([[1, 100], ["a"]]);
    writer.answerOldest();
    await turn();
    expect(writer.sizes).toEqual([1, 100, 600]);
  });

  it("fails those of one flush alone, and stops once all under way are answered", async () => {
    const { writer, commits, settled, offer } = await opened(2);
    offer("a", 256);
    offer("b", 256);
    let isStopped = false;
    const stopped = commits.stop().then(() => {
      isStopped = true;
    });
    writer.failOldest();
    await turn();
    expect([settled.length, new Set(settled), isStopped]).toEqual([256, new Set(["a failed"]), false]);
    writer.answerOldest();
    await stopped;
    expect(new Set(settled.slice(256))).toEqual(new Set(["b"]));
  });
});
