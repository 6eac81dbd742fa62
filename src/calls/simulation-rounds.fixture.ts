import { Fault, delay } from "../base/index.ts";
import type { ManualClock } from "../base/index.ts";
import type { AskAnswer } from "../upstream/index.ts";
import { asked, yes } from "./asking.fixture.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { Dice } from "./simulation-servers.fixture.ts";
import type { Wish } from "./simulation-wishes.fixture.ts";

/** A state that a caller was given, and with it what it has to answer. */
export interface Question {
  readonly wish: Wish;
  readonly requestState: string;
  readonly keys: readonly string[];
}

/** What callers were given and may come back with: once, twice, late, or never. */
const keptMax = 40;

/** Callers' side of calls that stay open. */
export class Questions {
  readonly tasks: { readonly wish: Wish; readonly taskId: string }[] = [];
  private readonly open: Question[] = [];
  private readonly clock: ManualClock;
  private readonly dice: Dice;

  constructor(clock: ManualClock, dice: Dice) {
    this.clock = clock;
    this.dice = dice;
  }

  hear(wish: Wish, answer: CallAnswer): void {
    if (answer.kind === "input-required") {
      const { requestState, inputRequests } = asked(answer);
      this.open.push({ wish, requestState, keys: Object.keys(inputRequests) });
      if (this.open.length > keptMax) this.open.shift();
    } else if (answer.kind === "task") {
      const { taskId } = JSON.parse(answer.text) as { taskId: string };
      this.tasks.push({ wish, taskId });
    }
  }

  /** Mostly one of the newest; one that was answered before may be drawn again. */
  draw(): Question | undefined {
    const back = this.dice.below(this.dice.chance(70) ? 4 : keptMax);
    return this.open.at(-1 - Math.min(back, Math.max(0, this.open.length - 1)));
  }

  roundOf({ requestState, keys }: Question): NonNullable<CallInput["round"]> {
    const given = keys.filter(() => this.dice.chance(85));
    return { requestState, inputResponses: Object.fromEntries(given.map((key) => [key, yes])) };
  }

  /** How a caller in a session answers: soon, late, not, or by breaking down. */
  readonly ask: NonNullable<CallInput["ask"]> = async (requests) => {
    const { clock, dice } = this;
    await delay(clock, dice.below(dice.chance(10) ? 60_000 : 500));
    if (dice.chance(5)) throw new Fault("cancelled", "the session is over");
    if (dice.chance(3)) return new Promise(() => {});
    const answer: AskAnswer = dice.chance(80)
      ? { kind: "answer", result: yes }
      : { kind: "refused", error: { code: -1, message: "no" } };
    return Object.fromEntries(Object.keys(requests).map((key) => [key, answer]));
  };
}
