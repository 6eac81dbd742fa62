import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { Rounds } from "./rounds.ts";

function counted() {
  const clock = new ManualClock();
  const ends: (() => void)[] = [];
  const round = () => new Promise<void>((resolve) => ends.push(resolve));
  const rounds = new Rounds({ clock, everyMs: 1_000, round });
  const end = async () => {
    ends.at(-1)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, rounds, ends, end };
}

test("rounds come one at a time, each a pause after the end of the last", async () => {
  const { clock, rounds, ends, end } = counted();
  rounds.start();
  clock.advance(999);
  expect(ends).toHaveLength(0);
  clock.advance(1);
  clock.advance(10_000);
  expect(ends).toHaveLength(1);
  await end();
  clock.advance(1_000);
  expect(ends).toHaveLength(2);
  await end();
  await rounds.stop();
});

test("stopping waits for the round under way, and none comes after it", async () => {
  const { clock, rounds, ends, end } = counted();
  rounds.start();
  clock.advance(1_000);
  let isStopped = false;
  const stopping = rounds.stop().then(() => (isStopped = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect([isStopped, rounds.isStopped]).toEqual([false, true]);
  await end();
  await stopping;
  clock.advance(10_000);
  expect(ends).toHaveLength(1);
});
