import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { diaryOf } from "../fixtures/agent-process.ts";
import type { RunView } from "../fixtures/hosted-worker.ts";
import { endOf, showRun } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { numbersOf, pointsOfRun } from "../fixtures/run-points.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import type { Walk } from "../fixtures/walk.ts";
import { everybody } from "../fixtures/walk.ts";

/**
 * A node dies by -9 at each numbered point of a hosted run's life (ARCHITECTURE.md, "Where a node can die in a run"), and the process that
 * drives the run with it. What the next node finds is looked at there and then; the runs go on once all nodes have died, so that none of
 * them is at the bank when a node dies for another.
 */
const groups = [numbersOf(({ part }) => part !== "mend"), numbersOf(({ part }) => part === "mend")].flatMap(
  // An administrator may not have more keys than a node has starts on one directory.
  (numbers) => [numbers.slice(0, 10), numbers.slice(10)].filter(({ length }) => length > 0),
);

let bank: CountingServer;
let directory: string;
let node: NodeProcess;

const file = (name: string) => join(directory, name);
const moduleOf = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url)));
const start = async (): Promise<void> => {
  node = await NodeProcess.start({
    directory,
    yaml: `
servers: { bank: { url: "${bank.url}" } }
agents:
  walker: { module: ${moduleOf("hosted-walker")}, version: "1" }
  mender: { module: ${moduleOf("hosted-mender")}, version: "1", startsMax: 2, env: { MENDED: ${JSON.stringify(file("mended"))} } }
`,
  });
  await node.toolsAre(["bank__pay"]);
};
const turnIs = (whose: string) => writeFileSync(file("turn"), whose);
const isMended = (isSo: boolean) =>
  isSo ? writeFileSync(file("mended"), "") : rmSync(file("mended"), { force: true });

beforeAll(async () => {
  bank = await new CountingServer().start();
});
afterAll(() => bank.stop());

/** A request whose answer may be lost with the node. */
const attempt = (path: string, body: unknown): Promise<number | null> =>
  node.admin("POST", path, body).then(
    ({ status }) => status,
    () => null,
  );

class Case {
  readonly at: number;
  readonly name: string;
  private run: string | null = null;

  constructor(at: number) {
    this.at = at;
    this.name = `at-${at}`;
  }

  get point() {
    const point = pointsOfRun[this.at];
    if (point === undefined) throw new Error(`there is no point ${this.at}`);
    return point;
  }

  private get isMender(): boolean {
    return this.point.part === "mend";
  }

  startIt(): Promise<number | null> {
    const walk: Partial<Walk> = { name: this.name, diary: file("diary"), turn: file("turn") };
    const input = this.isMender ? {} : { ...walk, part: this.point.part };
    return attempt(`/agents/${this.isMender ? "mender" : "walker"}/runs`, { name: this.name, input });
  }

  /** null = there is none of its name. */
  async found(): Promise<RunView | null> {
    const { body } = await node.admin<{ items: RunView[] }>("GET", "/runs?limit=200");
    const found = body.items.find(({ name }) => name === this.name) ?? null;
    this.run = found?.run ?? null;
    return found === null ? null : showRun(node, found.run);
  }

  get id(): string {
    if (this.run === null) throw new Error(`${this.name} has not been found`);
    return this.run;
  }

  /** Its steps on record, with their kinds, and its own entries. */
  async recorded(): Promise<readonly string[]> {
    const { body } = await node.admin<{ items: { step: string; method: string }[] }>(
      "GET",
      `/runs/${this.id}/steps?limit=200`,
    );
    return body.items.map(({ step, method }) => `${step} ${method}`);
  }

  async entries(method: string): Promise<number> {
    const { body } = await node.admin<{ items: { method: string; run: string }[] }>(
      "GET",
      "/audit/entries?kind=run&limit=500",
    );
    return body.items.filter((entry) => entry.run === this.id && entry.method === method).length;
  }

  async untilDeath(): Promise<void> {
    const { does, step, when, isOfChild } = this.point;
    const run = isOfChild === true ? `${this.name}.hand` : this.name;
    turnIs(this.name);
    isMended(false);
    await node.dieAt({ run, does, when, ...(step === undefined ? {} : { step }) });
    await this.startIt();
    await this.act(does);
    await node.dead();
  }

  /** What people do, where the point is in an act of theirs. */
  private async act(does: string): Promise<void> {
    if (does === "admin.run.start" || !node.isUp) return;
    const isThere = async (isSo: (run: RunView) => boolean) => {
      await until(async () => {
        const run = await this.found();
        return run !== null && isSo(run);
      });
    };
    if (does === "admin.run.signal" || does === "admin.run.cancel" || does === "steps/signal") {
      await isThere(({ waitsFor }) => waitsFor[0]?.kind === "signal");
      await (does === "admin.run.cancel" ? this.cancel() : this.signal());
    }
    if (does !== "admin.run.retry") return;
    await isThere(({ state }) => state === "dead");
    await this.retry();
  }

  signal = () => attempt(`/runs/${this.id}/signals/go`, {});
  cancel = () => attempt(`/runs/${this.id}/cancel`, { reason: "enough" });
  retry = () => attempt(`/runs/${this.id}/retry`, {});

  /** Whom it has paid, once it has ended. */
  async payee(): Promise<unknown> {
    return this.isMender
      ? ((await endOf(node, this.id)).result as { readonly paid: string }).paid
      : this.name;
  }

  stateIs(state: string, withinMs?: number): Promise<void> {
    return until(async () => (await this.found())?.state === state, withinMs);
  }
}

const paidTo = (whom: unknown): readonly unknown[] =>
  bank.received.filter(({ args }) => args["to"] === whom).map(({ args }) => args["amount"]);

/** What stands in ARCHITECTURE.md beside each number, where nobody has done anything since; and what whoever was not told hears then. */
const isAsFound: Readonly<Record<number, (own: Case, run: RunView | null) => Promise<void>>> = {
  1: async (own, run) => {
    expect(run).toBeNull();
    expect(await own.startIt()).toBe(201);
  },
  2: async (own, run) => {
    expect(run).toMatchObject({ state: "open" });
    expect(await own.startIt()).toBe(409);
  },
  3: async (own, run) => {
    expect(run?.state).toBe("open");
    expect(await own.entries("runs/started")).toBeGreaterThanOrEqual(1);
  },
  4: async (own, run) => {
    expect(run?.attempt).toBeGreaterThanOrEqual(2);
    expect(await own.recorded()).toEqual(["signalbox:input steps/value"]);
  },
  5: async (own) => expect(await own.recorded()).not.toContain("said steps/value"),
  6: async (own) => expect(await own.recorded()).toContain("said steps/value"),
  7: async (own) => expect(await own.entries("runs/memory")).toBe(1),
  8: async (own, run) => {
    expect(run?.state).toBe("open");
    expect(await own.recorded()).toContain("nap steps/timer");
  },
  9: async (own, run) => {
    expect(run?.state).toBe("open");
    expect(await own.recorded()).toContain("nap steps/timer");
  },
  10: async (own, run) => {
    expect(run?.waitsFor[0]?.kind).toBe("signal");
    expect(await own.signal()).toBe(200);
  },
  11: async (own, run) => {
    expect(run?.waitsFor[0]?.kind).toBe("signal");
    expect(await own.signal()).toBe(200);
  },
  12: async (own, run) => {
    expect(run?.waitsFor[0]?.kind).toBe("signal");
    expect(await own.signal()).toBe(409);
  },
  13: async (own, run) => {
    expect(run?.waitsFor).toEqual([]);
    expect(await own.recorded()).toContain("taken steps/signal");
  },
  14: async (own) =>
    expect(await childrenOf(own)).toMatchObject([{ name: `${own.name}.hand`, state: "open" }]),
  15: async (own) =>
    expect(await childrenOf(own)).toMatchObject([{ name: `${own.name}.hand`, state: "finished" }]),
  16: async (own) => expect(await own.recorded()).toContain("turn steps/exhausted"),
  17: async (own, run) => {
    expect(run?.state).not.toBe("dead");
    expect(await own.entries("runs/lost")).toBe(1);
  },
  18: async (own, run) => {
    expect(run?.state).toBe("dead");
    expect(await own.retry()).toBe(200);
  },
  19: async (own, run) => {
    expect(run?.state).toBe("dead");
    expect(await own.retry()).toBe(200);
  },
  20: async (own, run) => {
    expect(run?.state).not.toBe("dead");
    expect(await own.retry()).toBe(409);
  },
  21: async (_own, run) => expect(run).toMatchObject({ state: "open", endEntry: null }),
  22: async (_own, run) => expect(run?.state).toBe("finished"),
  23: async (own, run) => {
    expect(run?.state).toBe("cancelled");
    expect(await own.cancel()).toBe(409);
  },
};

const childrenOf = async (own: Case): Promise<readonly RunView[]> =>
  (await node.admin<{ items: RunView[] }>("GET", `/runs/${own.id}/children`)).body.items;

test("something is said of every point", () => {
  expect(Object.keys(isAsFound)).toEqual(Object.keys(pointsOfRun));
  expect(groups.flat().toSorted((a, b) => a - b)).toEqual(Object.keys(pointsOfRun).map(Number));
});

describe.each(groups.map((points) => ({ points, from: points[0], to: points.at(-1) })))(
  "a hosted run whose node is killed, from point $from to $to",
  ({ points }) => {
    const cases = points.map((at) => new Case(at));
    beforeAll(async () => {
      directory = newDirectory();
      writeFileSync(file("diary"), "");
      turnIs("nobody");
      await start();
    });
    beforeEach(async () => {
      if (!node.isUp) await start();
    });
    afterAll(async () => {
      if (node.isUp) await node.stop();
      removeDirectory(directory);
    });

    test.each(cases)("at point $at", async (own) => {
      await own.untilDeath();
      turnIs("nobody");
      isMended(true); // what was mended need not wait for its turn: it is seen to its end here
      await start();
      await isAsFound[own.at]?.(own, await own.found());
      if (own.point.part === "mend") await own.stateIs("finished");
    });

    test("ends, with each effect once, and the ledger proves itself", { timeout: 240_000 }, async () => {
      turnIs(everybody);
      for (const own of cases) {
        const end = own.at === 23 ? "cancelled" : "finished";
        await own.stateIs(end, 200_000);
        expect(paidTo(await own.payee()), own.name).toEqual(own.at === 23 ? [1] : [1, 2]);
        if (own.point.part === "child") expect(paidTo(`${own.name}.hand`)).toEqual([1, 2]);
        // The start that nothing came of counts; another one followed it.
        if (own.at === 3) expect(await own.entries("runs/started")).toBeGreaterThanOrEqual(2);
        if (own.point.part === "memory") expect(await own.entries("runs/memory")).toBe(1);
      }
      const ran = diaryOf(file("diary"));
      const times = (what: string) => ran.filter((line) => line === what).length;
      for (const { at, name, point } of cases) {
        // Whose answer was lost before it was on record has nothing to be given back.
        if (point.part === "value") expect(times(`${name} said`)).toBe(at === 5 ? 2 : 1);
        if (point.part !== "turn") continue;
        expect([times(`${name} asked with 2`), times(`${name} asked with 1`)]).toEqual([1, 1]);
      }
      await node.stop();
      const ledger = await provenLedger(directory);
      expect(ledger.dispatched).toEqual([]);
      expect(ledger.unknown).toEqual([]);
      const steps = ledger.entries
        .filter(({ kind }) => kind === "step")
        .map(({ run, step }) => `${run} ${step}`);
      expect(new Set(steps).size).toBe(steps.length);
    });
  },
);
