import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecentMap } from "./recent-map.ts";

const keys = fc.integer({ min: 0, max: 9 });
const acts = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("set" as const), key: keys }),
    fc.record({ kind: fc.constant("use" as const), key: keys }),
    fc.record({ kind: fc.constant("get" as const), key: keys }),
    fc.record({ kind: fc.constant("delete" as const), key: keys }),
    fc.record({ kind: fc.constant("clear" as const) }),
  ),
  { maxLength: 200 },
);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

describe("a map of what is recent", () => {
  it("forgets what was set or used longest ago, and nothing else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), acts, (max, given) => {
        const map = new RecentMap<number, number>(max);
        let model: [number, number][] = []; // the most recent last
        for (const [at, act] of given.entries()) {
          if (act.kind === "clear") {
            map.clear();
            model = [];
            continue;
          }
          const { kind, key } = act;
          const held = model.find(([k]) => k === key);
          const others = model.filter(([k]) => k !== key);
          const isOrdered = model.length > max / 2;
          switch (kind) {
            case "set":
              map.set(key, at);
              model =
                held === undefined || isOrdered
                  ? [...others, [key, at] as [number, number]].slice(-max)
                  : model.map(([k, v]) => [k, k === key ? at : v]);
              break;
            case "use":
              expect(map.use(key)).toBe(held?.[1]);
              if (held !== undefined && isOrdered) model = [...others, held];
              break;
            case "get":
              expect(map.get(key)).toBe(held?.[1]);
              break;
            case "delete":
              expect(map.delete(key)).toBe(held !== undefined);
              model = others;
          }
          expect(map.size).toBe(model.length);
          for (const [k, value] of model) expect(map.get(k)).toBe(value);
        }
      }),
    );
  });

  it("of many, forgets nothing that was used lately, and one that is used all the time moves seldom", () => {
    const max = 800;
    fc.assert(
      fc.property(fc.array(fc.nat(1_200), { minLength: 2_000, maxLength: 4_000 }), (given) => {
        const map = new RecentMap<number, number>(max);
        const seen = new Map<number, number>();
        for (const [at, key] of given.entries()) {
          map.set(key, at);
          map.use(given[0] ?? 0);
          seen.delete(key);
          seen.set(key, at);
        }
        // What was used while the map was half empty has kept its place.
        const recent = [...seen].slice(-(max / 2 - max / 8));
        for (const [key, at] of recent) expect(map.get(key)).toBe(at);
        expect(map.get(given[0] ?? 0)).toBe(seen.get(given[0] ?? 0));
        expect(map.size).toBeLessThanOrEqual(max);
      }),
      { numRuns: 20 },
    );
  });

  it("keeps nothing that was taken out, however often the rest is used while nothing has to go", async () => {
    const map = new RecentMap<number, object>(100);
    const useAll = () => {
      for (let round = 0; round < 10; round++) for (let key = 1; key <= 80; key++) map.use(key);
    };
    const setUp = (): WeakRef<object> => {
      for (let key = 1; key <= 120; key++) map.set(key, {}); // some had to go: it has searched
      for (let key = 1; key <= 80; key++) map.set(key, {});
      const taken = {};
      map.set(0, taken);
      useAll();
      map.delete(0);
      return new WeakRef(taken);
    };
    const taken = setUp();
    useAll();
    await setImmediate();
    collect();
    expect(taken.deref()).toBeUndefined();
  });
});
