import { expect, test } from "vitest";
import { ManualClock, msOf, storeMs } from "../base/index.ts";
import { StoreClock } from "./store-clock.ts";

test("a dispatch bound holds until its window is over, on both of the process's clocks", () => {
  const clock = new ManualClock();
  const storeClock = new StoreClock(clock);
  expect(storeClock.dispatchBy(1000)).toBeNull();
  const before = storeClock.reading();
  clock.advance(50); // the flush took this long, so store time was read somewhere in between
  storeClock.learn(before, storeMs(10_000));
  const bound = storeClock.dispatchBy(1000);
  expect(bound?.holds()).toBe(true);
  expect(msOf(bound?.at ?? storeMs(0))).toBe(11_050);
  clock.advance(999);
  expect(bound?.holds()).toBe(true);
  clock.advance(1);
  expect(bound?.holds()).toBe(false);
});

test("a wall clock that ran on in suspend ends the bound although the monotonic clock stood still", () => {
  let wallAheadMs = 0;
  const clock = new ManualClock();
  const suspended = { ...bind(clock), wall: () => storeMs(msOf(clock.wall()) + wallAheadMs) as never };
  const storeClock = new StoreClock(suspended);
  storeClock.learn(storeClock.reading(), storeMs(0));
  const bound = storeClock.dispatchBy(1000);
  wallAheadMs = 5000;
  expect(bound?.holds()).toBe(false);
});

const bind = (clock: ManualClock) => ({
  monotonic: () => clock.monotonic(),
  after: (ms: number, action: () => void) => clock.after(ms, action),
});
