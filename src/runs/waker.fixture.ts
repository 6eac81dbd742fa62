import { seededRandom } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Hook, StartOrder } from "./hook.ts";
import type { Retries } from "./retries.ts";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";
import { Waker } from "./waker.ts";

/** Remembers whom it was asked to start. */
export class Remembering implements Hook {
  readonly startsMax = 3;
  readonly orders: StartOrder[] = [];
  isBroken = false;
  /** What it rejects with when it is broken. */
  trouble: Error = new Error("no such program");
  endsWithNode = false;
  retries?: Retries;
  attachWithinMs?: number;
  room = 1_000;
  isFor(owner: Principal): boolean {
    return owner.id === agent.id;
  }
  async start(order: StartOrder): Promise<void> {
    this.room--;
    this.orders.push(order);
    if (this.isBroken) throw this.trouble;
  }
  async stop(): Promise<void> {}
}

export interface Watched extends RunsWorld {
  readonly hook: Remembering;
  readonly troubles: string[];
  readonly waker: Waker;
  /** The first is `waker`. Each on a node of its own: node-0, node-1, …, with fence 1. */
  readonly wakers: readonly Waker[];
  /** Lets time pass, second by second. */
  readonly pass: (ms: number) => Promise<void>;
}

/** A run "nightly" of `agent`, attached and with a hook, and as many wakers over it as nodes there would be. */
export async function watched(wakers = 1, asksOf?: RunsWorld["asksOf"]): Promise<Watched> {
  const hook = new Remembering();
  const world = await openRuns({
    hooks: new Map([["starter", hook]]),
    ...(asksOf === undefined ? {} : { asksOf }),
  });
  const troubles: string[] = [];
  const all = Array.from({ length: wakers }, (_, n) => {
    const random = seededRandom(`waker ${n}`);
    const onTrouble = (doing: string) => void troubles.push(doing);
    const node = { name: `node-${n}`, fence: 1 };
    return new Waker({ ...world, random, node, nodeOf: () => agent, onTrouble });
  });
  for (const waker of all) waker.start();
  const pass = passing(world);
  await value(world.runs.attach(agent, "nightly", { deadlineMs: null, hook: "starter" }));
  return { ...world, hook, troubles, waker: all[0] as Waker, wakers: all, pass };
}

/** Lets time pass, second by second, with a look of each waker in each. */
export const passing =
  ({ clock }: Pick<RunsWorld, "clock">) =>
  async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock.advance(1_000);
      for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
