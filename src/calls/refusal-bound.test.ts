import { expect, test } from "vitest";
import { ManualClock } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Principal, PrincipalId } from "../identity/index.ts";
import { RefusalBound } from "./refusal-bound.ts";

const principal = (id: string): Principal => ({
  id: id as PrincipalId,
  kind: "agent",
  name: id,
  roles: [],
  tenant: defaultTenant,
  chain: [],
  version: "1",
});

test("every refusal is either written or counted, and what was counted comes out once", () => {
  const clock = new ManualClock();
  const bound = new RefusalBound(clock);
  const a = principal("agent/a");
  const written = Array.from({ length: 100 }, () => bound.admits(a)).filter(Boolean).length;
  expect(written).toBe(60);
  expect(bound.close(false)).toEqual([]);
  clock.advance(60_000);
  expect(bound.close(false)).toEqual([{ principal: a, refusals: 40 }]);
  expect(bound.close(true)).toEqual([]);
  expect(bound.admits(a)).toBe(true);
});

test("one principal's refusals do not use up another's", () => {
  const bound = new RefusalBound(new ManualClock());
  for (let i = 0; i < 100; i++) bound.admits(principal("agent/a"));
  expect(bound.admits(principal("agent/b"))).toBe(true);
  expect(bound.close(true)).toHaveLength(1);
});
