import type { WorkerOrder } from "../contract/index.ts";
import { inputStep } from "../contract/index.ts";
import type { Agent, RunOptions, Signalbox, Step } from "../sdk/index.ts";
import { AtRest, RunEnded, RunFailed, StaleAttempt, connect } from "../sdk/index.ts";

/** A run that waits longer than this leaves the process: starting it anew costs a few requests, keeping it costs memory for as long. */
const restAfterMs = 1_000;

type Serve = Pick<Extract<WorkerOrder, { readonly kind: "serve" }>, "url" | "token" | "onContextExhausted">;
type Drive = Extract<WorkerOrder, { readonly kind: "drive" }>;

/** In whose name runs are driven, and how many are just now. */
interface Owner {
  readonly box: Signalbox;
  token: string;
  driven: number;
}

/** An agent, and the node that has its runs driven: those of its own, and those that other agents' runs have started, in their names. */
export class Served {
  private readonly agent: Agent;
  private readonly url: string;
  /** By id; null = the agent itself. Others are kept as long as something of theirs is driven. */
  private readonly owners = new Map<string | null, Owner>();
  private readonly own: Owner;
  private readonly options: RunOptions;

  constructor(agent: Agent, { url, token, onContextExhausted }: Serve) {
    this.agent = agent;
    this.url = url;
    this.own = this.add(null, token);
    const { compact, compactionsMax, escalationMs } = agent;
    this.options = {
      restAfterMs,
      ...(onContextExhausted === null ? {} : { onContextExhausted }),
      ...(compact === undefined ? {} : { compact }),
      ...(compactionsMax === undefined ? {} : { compactionsMax }),
      ...(escalationMs === undefined ? {} : { escalationMs }),
    };
  }

  /** Of an owner that nothing is driven of any more, it is dropped. */
  renew(owner: string | null, token: string): void {
    const known = this.owners.get(owner);
    if (known !== undefined) known.token = token;
  }

  /** Until the run ends or waits. Never rejects; null = all is well, else what the agent threw: it is driven again later. */
  async drive(run: string, named: Drive["owner"]): Promise<string | null> {
    const actor = named === null ? this.own : (this.owners.get(named.id) ?? this.add(named.id, named.token));
    if (named !== null) actor.token = named.token;
    actor.driven++;
    try {
      await actor.box.run(run, async (step) => this.agent.run(step, await inputOf(step)), this.options);
      return null;
    } catch (thrown) {
      const isExpected =
        thrown instanceof AtRest || thrown instanceof RunEnded || thrown instanceof StaleAttempt;
      return isExpected ? null : String(thrown instanceof Error ? (thrown.stack ?? thrown) : thrown);
    } finally {
      actor.driven--;
      if (named !== null && actor.driven === 0) this.owners.delete(named.id);
    }
  }

  private add(owner: string | null, token: string): Owner {
    const fresh: Owner = { box: connect({ url: this.url, token: () => fresh.token }), token, driven: 0 };
    this.owners.set(owner, fresh);
    return fresh;
  }
}

/** On record since the run was started. */
const inputOf = (step: Step): Promise<unknown> =>
  step.value(inputStep, () => {
    throw new RunFailed("the run was not started as one of a hosted agent: it has no input");
  });
