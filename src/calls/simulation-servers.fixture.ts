import { metaKeys } from "../../contract/index.ts";
import { Fault, delay, msOf, randomBelow } from "../base/index.ts";
import type { ManualClock, Random, WallMs } from "../base/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { asks, question, taskOf } from "./asking.fixture.ts";
import { resultOf } from "./world.fixture.ts";

/** Draws from a seed; everything random in a simulation comes from here. */
export class Dice {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  below(n: number): number {
    return randomBelow(this.random, n);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** One request whose bytes left a node. */
export interface Sent {
  /** Our id of it, which only the `verifiable` are told; null = another. */
  readonly call: unknown;
  readonly tool: string;
  readonly argumentsText: string;
  readonly at: WallMs;
  /** The server proved that it did nothing, or asked before it did anything. */
  rejected: boolean;
  asked: boolean;
}

/** The servers, as all nodes reach them: sees every byte that left, answers well, badly, late or never, asks back, makes tasks. */
export class SimulatedServers {
  readonly sent: Sent[] = [];
  onSent: (sent: Sent) => void = () => {};
  /** The process stands still for so long directly before its next request leaves. */
  nextPauseMs = 0;
  private readonly clock: ManualClock;
  private readonly dice: Dice;
  /** How each task will end, once it was asked for often enough. */
  private readonly tasks = new Map<
    string,
    { looks: number; readonly end: Readonly<Record<string, unknown>> }
  >();

  constructor(clock: ManualClock, dice: Dice) {
    this.clock = clock;
    this.dice = dice;
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    const { clock, dice } = this;
    if (dice.chance(10)) throw new Fault("tool-unavailable", "no connection", { effect: "none" });
    if (dice.chance(3)) throw new Fault("tool-unavailable", "try at once", { effect: "none", retry: "now" });
    if (request.method === "tasks/get") return this.lookAtTask(request);
    const pauseMs = this.nextPauseMs;
    this.nextPauseMs = 0;
    if (pauseMs > 0) await delay(clock, pauseMs);
    // Until a connection is there, or because the process stood still.
    if (dice.chance(20)) await delay(clock, dice.below(dice.chance(20) ? 20_000 : 500));
    if (request.signal.aborted) throw new Fault("cancelled", "gone", { effect: "none" });
    if (!request.mayDispatch()) throw new Fault("deadline-before-dispatch", "forbidden", { effect: "none" });
    const { [metaKeys.verifies]: doubted, [metaKeys.call]: call = null } = request.meta;
    if (doubted !== undefined) return this.verify(doubted);
    const fate = dice.below(100);
    const asked = request.profile !== noCapabilities && dice.chance(request.round === null ? 45 : 20);
    const sent: Sent = {
      call,
      tool: request.name ?? "",
      argumentsText: request.argumentsText ?? "",
      at: clock.wall(),
      rejected: asked || (fate >= 75 && fate < 80),
      asked,
    };
    this.sent.push(sent);
    this.onSent(sent);
    if (dice.chance(60)) await delay(clock, dice.below(400));
    if (asked) return asks(dice.chance(80) ? `theirs ${this.sent.length}` : null);
    if (request.profile !== noCapabilities && dice.chance(20)) return this.makeTask();
    if (request.onAsk !== null && dice.chance(40))
      for (let i = dice.below(3); i >= 0; i--) await request.onAsk(question);
    return this.end(fate, request);
  }

  private async end(fate: number, request: UpstreamRequest): Promise<UpstreamReply> {
    if (fate < 60) return resultOf(`{"content":[{"type":"text","text":"done ${this.sent.length}"}],"n":1.0}`);
    if (fate < 65) return resultOf('{"content":[],"isError":true,"_meta":{"x":1}}');
    if (fate < 70) return resultOf('{"content":[],"_meta":7}');
    if (fate < 75) return { kind: "error", error: { code: -32_603, message: "it broke" } };
    if (fate < 80) return { kind: "rejected", error: { code: -32_602, message: "not so" } };
    if (fate < 90) throw new Fault("upstream-lost", "the connection broke");
    if (fate < 93) throw new Fault("result-too-large", "too large");
    if (fate < 96) return resultOf('{"resultType":"input_required"}');
    const leftMs = msOf(request.deadline.at) - msOf(this.clock.monotonic());
    await delay(this.clock, Math.max(0, leftMs));
    throw new Fault("deadline-exceeded", "too late");
  }

  /** Never lies, but is slow, gone, or has no answer as often as any other. */
  private async verify(doubted: unknown): Promise<UpstreamReply> {
    const { dice, clock } = this;
    if (dice.chance(50)) await delay(clock, dice.below(2_000));
    const fate = dice.below(100);
    if (fate < 15) throw new Fault("upstream-lost", "the connection broke");
    if (fate < 25) return resultOf('{"content":[],"isError":true}');
    if (fate < 30) return resultOf('{"content":[],"structuredContent":{"happened":"perhaps"}}');
    const happened = this.sent.some(({ call, rejected }) => call === doubted && !rejected);
    const result = happened && dice.chance(50) ? { result: { content: [], of: doubted } } : {};
    return resultOf(JSON.stringify({ content: [], structuredContent: { happened, ...result } }));
  }

  private makeTask(): UpstreamReply {
    const { dice } = this;
    if (dice.chance(5)) return taskOf({ taskId: 7, status: "working" });
    const taskId = `task ${this.tasks.size}`;
    const status = dice.pick(["completed", "completed", "failed", "cancelled", "working"]);
    const end = { status, ...(status === "completed" ? { result: { content: [], of: taskId } } : {}) };
    this.tasks.set(taskId, { looks: dice.below(3), end });
    return taskOf({ taskId, status: "working", ttlMs: 60_000 });
  }

  private lookAtTask({ name }: UpstreamRequest): UpstreamReply {
    const task = this.tasks.get(name ?? "");
    if (task === undefined || this.dice.chance(5))
      return { kind: "rejected", error: { code: -32_602, message: "no such task" } };
    if (this.dice.chance(10)) throw new Fault("upstream-lost", "the connection broke");
    return resultOf(JSON.stringify(task.looks-- > 0 ? { status: "working" } : task.end));
  }
}
