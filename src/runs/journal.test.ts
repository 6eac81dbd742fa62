import fc from "fast-check";
import { expect, test } from "vitest";
import { Fault, ManualClock, seededRandom } from "../base/index.ts";
import { MemoryDatabase } from "../store/index.ts";
import { agent, openRuns, runTables } from "./runs.fixture.ts";
import type { RunsWorld } from "./runs.fixture.ts";

/**
 * An agent does its steps in order; each output is drawn anew whenever the function of a step runs. Now and then a flush is lost with
 * the node, before or after it stood on disk, or the agent itself dies between doing and recording. Whatever happens: an output that
 * any life of the agent was given stays the output of that step for good, and the run ends once.
 */
test("whatever dies whenever, a step that was once given back is given back the same for ever", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 1_000_000 }), async (seed) => {
      const chance = seededRandom(`agent ${seed}`);
      const rolls = (percent: number) => (chance.bytes(1)[0] ?? 0) * 100 < percent * 256;
      const database = new MemoryDatabase(runTables);
      const clock = new ManualClock();
      const given = new Map<string, unknown>();
      let drawn = 0;
      let node: RunsWorld | null = null;
      let lives = 0;
      let outcome: unknown = null;

      /** The result of the run once it has one; null = this life ended before that. */
      const life = async (): Promise<unknown> => {
        node ??= await openRuns({
          database,
          clock,
          seed: `node ${seed} ${lives}`,
          faults: {
            random: seededRandom(`faults ${seed} ${lives}`),
            chances:
              lives > 40
                ? {}
                : { "crash-before-commit": 0.04, "crash-after-commit": 0.04, "disk-full": 0.04 },
          },
        });
        const { runs } = node;
        const attached = await runs.attach(agent, "r", { deadlineMs: null });
        if (!attached.ok) throw new Error(attached.refusal.code);
        const { run } = attached.value;
        if (run.state !== "open") return (await runs.endOf(run))?.result ?? null;
        const speaker = { name: "r", attempt: run.attempt };
        const outputs: unknown[] = [];
        for (let n = 0; n < 6; n++) {
          const step = { key: `s${n}`, kind: n % 2 === 0 ? "value" : "model", input: null } as const;
          const found = await runs.lookUp(agent, speaker, step);
          if (!found.ok) throw new Error(found.refusal.code);
          let output = found.value?.output;
          if (found.value === null) {
            const mine = ++drawn;
            if (rolls(8)) return null; // the agent dies with what it has done
            const made = await runs.record(agent, speaker, { ...step, output: mine, note: null });
            if (!made.ok) throw new Error(made.refusal.code);
            output = made.value.output;
          }
          if (given.has(step.key)) expect(output, step.key).toBe(given.get(step.key));
          given.set(step.key, output);
          outputs.push(output);
        }
        const ended = await runs.end(agent, speaker, { state: "finished", result: outputs });
        if (!ended.ok) throw new Error(ended.refusal.code);
        expect(ended.value.result).toEqual(outputs);
        return ended.value.result;
      };

      for (; lives < 60; lives++) {
        try {
          outcome = await life();
          if (outcome !== null) break;
        } catch (thrown) {
          if (!(thrown instanceof Fault)) throw thrown;
          node = null; // it died, or its disk is full and somebody restarts it
        }
      }
      expect(outcome).toEqual([...given.values()]);
      const { entries } = await openRuns({ database, clock, seed: `after ${seed}` });
      const all = (await entries()).map(({ entry }) => entry);
      expect(all.filter(({ kind }) => kind === "step").map(({ step }) => step)).toEqual([...given.keys()]);
      expect(all.filter(({ method }) => method === "runs/finished")).toHaveLength(1);
    }),
    { numRuns: 150 },
  );
});
