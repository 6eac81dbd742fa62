import { describe, expect, it } from "vitest";
import { Cohort } from "./cohort.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("a cohort", () => {
  it("does nothing at once, and all that came, in order, before the turn is over", async () => {
    const done: number[] = [];
    const cohort = new Cohort<number>((n) => done.push(n));
    for (const n of [1, 2, 3]) cohort.add(n);
    await Promise.resolve();
    expect(done).toStrictEqual([]);
    await turn();
    expect(done).toStrictEqual([1, 2, 3]);
  });

  it("leaves what is added meanwhile to the next turn, so that no turn is without end", async () => {
    const done: number[] = [];
    const cohort = new Cohort<number>((n) => {
      done.push(n);
      cohort.add(n + 1);
    });
    cohort.add(1);
    await turn();
    expect(done).toStrictEqual([1]);
    await turn();
    expect(done).toStrictEqual([1, 2]);
  });

  it("does the others when one throws", async () => {
    const done: number[] = [];
    const thrown: unknown[] = [];
    const cohort = new Cohort<number>((n) => {
      if (n === 2) throw new Error("two");
      done.push(n);
    });
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => thrown.push(error.message));
    for (const n of [1, 2, 3, 4]) cohort.add(n);
    await turn();
    await turn();
    for (const listener of others) process.on("uncaughtException", listener);
    expect(done).toStrictEqual([1, 3, 4]);
    expect(thrown).toStrictEqual(["two"]);
  });
});
