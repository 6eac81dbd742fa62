import { expect, test } from "vitest";
import { ManualClock } from "../base/index.ts";
import { Doubt } from "./doubt.ts";

const over = (doubt: Doubt, signal: AbortSignal | null = null) => {
  const state = { isOver: false };
  void doubt.over(1_000, signal).then(() => (state.isOver = true));
  return async () => {
    await Promise.resolve();
    return state.isOver;
  };
};

test("who waits for the end of a doubt is told when it ends, and not when an older one does", async () => {
  const doubt = new Doubt(new ManualClock());
  expect(await over(doubt)()).toBe(true);
  doubt.begin();
  const older = doubt.newest;
  const isOver = over(doubt);
  doubt.begin();
  doubt.end(older);
  expect([doubt.isOn, await isOver()]).toEqual([true, false]);
  doubt.end(doubt.newest);
  expect([doubt.isOn, await isOver()]).toEqual([false, true]);
});

test("nobody waits for it longer than they want to", async () => {
  const clock = new ManualClock();
  const doubt = new Doubt(clock);
  doubt.begin();
  const gone = new AbortController();
  const [patient, impatient] = [over(doubt), over(doubt, gone.signal)];
  gone.abort();
  expect([await patient(), await impatient()]).toEqual([false, true]);
  clock.advance(1_000);
  expect([await patient(), doubt.isOn]).toEqual([true, true]);
});
