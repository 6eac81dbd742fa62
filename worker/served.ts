import { inputStep } from "../contract/index.ts";
import type { Agent, Signalbox, Step } from "../sdk/index.ts";
import { AtRest, RunEnded, RunFailed, StaleAttempt, connect } from "../sdk/index.ts";

/** A run that waits longer than this leaves the process: starting it anew costs a few requests, keeping it costs memory for as long. */
const restAfterMs = 1_000;

/** An agent, and the node that has its runs driven. */
export class Served {
  private readonly agent: Agent;
  private readonly box: Signalbox;
  private token: string;

  constructor(agent: Agent, url: string, token: string) {
    this.agent = agent;
    this.token = token;
    this.box = connect({ url, token: () => this.token });
  }

  renew(token: string): void {
    this.token = token;
  }

  /** Until the run ends or waits. Never rejects; null = all is well, else what the agent threw: it is driven again later. */
  async drive(run: string): Promise<string | null> {
    try {
      await this.box.run(run, async (step) => this.agent.run(step, await inputOf(step)), { restAfterMs });
      return null;
    } catch (thrown) {
      const isExpected =
        thrown instanceof AtRest || thrown instanceof RunEnded || thrown instanceof StaleAttempt;
      return isExpected ? null : String(thrown instanceof Error ? (thrown.stack ?? thrown) : thrown);
    }
  }
}

/** On record since the run was started. */
const inputOf = (step: Step): Promise<unknown> =>
  step.value(inputStep, () => {
    throw new RunFailed("the run was not started as one of a hosted agent: it has no input");
  });
