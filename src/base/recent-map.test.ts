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
          switch (kind) {
            case "set":
              map.set(key, at);
              model = [...others, [key, at] as [number, number]].slice(-max);
              break;
            case "use":
              expect(map.use(key)).toBe(held?.[1]);
              if (held !== undefined) model = [...others, held];
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
});
