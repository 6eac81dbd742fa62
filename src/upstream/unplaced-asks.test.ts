import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadlineIn, ManualClock } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import { profileOf } from "../registry/index.ts";
import { CallAsks } from "./call-asks.ts";
import type { AskAnswer } from "./exchange.ts";
import { ownRequest } from "./own-request.ts";
import type { AskedCall } from "./unplaced-asks.ts";
import { UnplacedAsks } from "./unplaced-asks.ts";

const able = profileOf({ elicitation: {} });
const deadline = deadlineIn(new ManualClock(), 1);
const { signal } = new AbortController();

/** A server whose calls share one stream, and which waits for an answer before it finishes a call well. */
class Shared {
  readonly posted: string[] = [];
  /** `<whose question> > <who was asked>` */
  readonly asked: string[] = [];
  readonly open = new Map<number, AskedCall>();
  readonly unanswered = new Map<number, Set<string>>();
  readonly unplaced = new UnplacedAsks(this);
  private lastAsk = 0;

  post(text: string): void {
    this.posted.push(text);
    const { id } = JSON.parse(text) as { id: string };
    for (const asks of this.unanswered.values()) asks.delete(id);
  }

  isShared = false;

  onUnplaced(): void {
    // Counted elsewhere.
  }

  onRefused(): void {
    // Counted elsewhere.
  }

  onRepeated(): void {
    // Counted elsewhere.
  }

  begin(number: number): void {
    if (this.open.has(number)) return;
    const server = {} as ServerRecord; // never looked at
    const request = {
      ...ownRequest(server, "tools/call", null, deadline, signal, able),
      onAsk: async ({ params }: { params: Readonly<Record<string, unknown>> }): Promise<AskAnswer> => {
        this.asked.push(`${String(params["of"])} > ${number}`);
        return { kind: "answer", result: {} };
      },
    };
    this.open.set(number, { request, asks: new CallAsks(request, this) });
    this.unanswered.set(number, new Set());
  }

  ask(number: number): void {
    if (!this.open.has(number)) return;
    const id = `${number}-${++this.lastAsk}`;
    this.unanswered.get(number)?.add(id);
    const params = { message: "?", of: number };
    this.unplaced.take(
      { kind: "request", id, method: "elicitation/create", params, chars: 50 },
      this.open.values(),
    );
  }

  end(number: number, isWell: boolean): void {
    const call = this.open.get(number);
    if (call === undefined || (isWell && (this.unanswered.get(number)?.size ?? 0) > 0)) return;
    this.open.delete(number);
    call.asks.end();
    this.unplaced.onEnded(call, isWell);
  }
}

describe("questions on a stream that calls share", () => {
  it("reach nobody but the caller they belong to, whatever happens in between (property)", async () => {
    const step = fc.record({
      kind: fc.constantFrom("begin", "ask", "answered", "failed", "settle"),
      number: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const shared = new Shared();
        for (const { kind, number } of steps) {
          if (kind === "begin") shared.begin(number);
          else if (kind === "ask") shared.ask(number);
          else if (kind === "settle") await new Promise<void>((resolve) => setImmediate(resolve));
          else shared.end(number, kind === "answered");
        }
        for (const number of shared.open.keys()) shared.end(number, false);
        await new Promise<void>((resolve) => setImmediate(resolve));
        for (const asked of shared.asked) {
          const [of, who] = asked.split(" > ");
          expect(who).toBe(of);
        }
        // Every question had exactly one answer, or a refusal.
        const ids = shared.posted.map((text) => (JSON.parse(text) as { id: string }).id);
        expect(new Set(ids).size).toBe(ids.length);
        for (const left of shared.unanswered.values()) expect([...left]).toEqual([]);
      }),
    );
  });

  it("wait while they could belong to several, and are asked when one is left", async () => {
    const shared = new Shared();
    shared.begin(1);
    shared.begin(2);
    shared.ask(2);
    shared.begin(3);
    expect(shared.posted).toEqual([]);
    shared.end(1, true);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(shared.asked).toEqual(["2 > 2"]);
  });
});
