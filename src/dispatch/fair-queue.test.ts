import { expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

const emptied = (queue: FairQueue<string>): string[] => {
  const order: string[] = [];
  for (let item = queue.first(); item !== null; item = queue.first()) {
    order.push(item);
    queue.shift();
  }
  return order;
};

test("owners take turns, and each one's own come in order", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.add(item.charAt(0), item);
  expect([...queue]).toHaveLength(6);
  expect(emptied(queue)).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
  expect(queue.isEmpty).toBe(true);
});

test("one that is taken out costs its owner no turn", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "b1"]) queue.add(item.charAt(0), item);
  queue.delete("a", "a1");
  queue.delete("a", "a1");
  queue.delete("nobody", "a2");
  expect(emptied(queue)).toEqual(["a2", "b1"]);
});
