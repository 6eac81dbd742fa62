import fc from "fast-check";
import { expect, test } from "vitest";
import { Fault, ManualClock, seededRandom } from "../base/index.ts";
import { childrenOf } from "../ledger/index.ts";
import { MemoryDatabase } from "../store/index.ts";
import { Orphans } from "./orphans.ts";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, runTables, value } from "./runs.fixture.ts";

const keys = ["a", "b", "c"] as const;

/**
 * A run starts three others at once, each of which asks a model and ends, and a fourth that never does. Now and then a flush is lost with the
 * node, before or after it stood on disk. Whatever happens: each step has started one run, what was asked is counted once, the parent hears of
 * every end, and nothing is left open after its own.
 */
test("whatever dies whenever, a family of runs has as many members as steps, and none outlives it unmeant", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 1_000_000 }), async (seed) => {
      const database = new MemoryDatabase(runTables);
      const clock = new ManualClock();
      let lives = 0;
      const chances = { "crash-before-commit": 0.06, "crash-after-commit": 0.06 };
      const openNode = (isLucky: boolean) =>
        openRuns({
          database,
          clock,
          seed: `node ${seed} ${lives}`,
          faults: { random: seededRandom(`faults ${seed} ${lives}`), chances: isLucky ? {} : chances },
        });

      const childLife = async (runs: RunsWorld["runs"], name: string): Promise<void> => {
        const { run } = await value(runs.attach(agent, name, { deadlineMs: null }));
        if (run.state !== "open") return;
        const speaker = { name, attempt: run.attempt };
        const asked = {
          key: "ask",
          kind: "model",
          input: null,
          note: null,
          tokens: 7,
          output: name,
        } as const;
        await value(runs.record(agent, speaker, asked));
        await value(runs.end(agent, speaker, { state: "finished", result: name }));
      };

      const life = async ({ runs }: RunsWorld): Promise<boolean> => {
        const { run } = await value(runs.attach(agent, "boss", { deadlineMs: null }));
        if (run.state !== "open") return true;
        const speaker = { name: "boss", attempt: run.attempt };
        const start = async (key: string) =>
          value(
            runs.startChild(agent, speaker, {
              key,
              agent: "clerk",
              input: key,
              deadlineMs: null,
              atParentEnd: "cancel",
            }),
          );
        const started = await Promise.all(keys.map(start));
        await start("endless");
        for (const { name } of started) await childLife(runs, name);
        const noHold = { holdMs: 0, signal: new AbortController().signal };
        for (const { run: child, name } of started)
          expect(await value(runs.awaitChild(agent, speaker, child, noHold))).toMatchObject({
            end: { state: "finished", result: name },
          });
        await value(runs.end(agent, speaker, { state: "finished", result: started.length }));
        return true;
      };

      for (let isDone = false; !isDone && lives < 60; lives++) {
        try {
          isDone = await life(await openNode(lives > 40));
        } catch (thrown) {
          if (!(thrown instanceof Fault)) throw thrown; // it died, and is started again
        }
      }
      const { store, runs, ...house } = await openNode(true);
      const orphans = new Orphans({
        ...house,
        store,
        random: seededRandom(`orphans ${seed}`),
        nodeOf: () => agent,
        onTrouble: (doing, thrown) => expect.fail(`${doing}: ${String(thrown)}`),
      });
      orphans.start();
      const boss = await value(runs.find(agent, "boss"));
      const family = () => childrenOf(store, boss.run, 99);
      for (let looks = 0; looks < 20 && (await family()).some(({ state }) => state === "open"); looks++) {
        clock.advance(1_000);
        await store.now();
      }
      await orphans.stop();
      const told = (await family()).map(({ parent, state, tokensUsed }) => [parent?.step, state, tokensUsed]);
      expect(told.toSorted(([a = ""], [b = ""]) => (String(a) < String(b) ? -1 : 1))).toEqual([
        ["a", "finished", 7],
        ["b", "finished", 7],
        ["c", "finished", 7],
        ["endless", "cancelled", 0],
      ]);
      expect(boss.children).toBe(4);
    }),
    { numRuns: 40 },
  );
});
