import { expect } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { Answer, NodeProcess } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import type { CountingServer } from "../fixtures/servers/counting.ts";

const agents = 8;
/** Steps that have to be through before the next node is replaced. */
const stepsBetween = 40;

/** Agents that pay step after step at whichever node is up, and ask again until they have an answer. */
export class Load {
  readonly nodes: NodeProcess[] = [];
  readonly receipts: Answer["receipt"][] = [];
  readonly done: string[] = [];
  readonly wrong: string[] = [];
  private isOver = false;
  private readonly running: Promise<void>[] = [];

  start(): void {
    for (let agent = 0; agent < agents; agent++) this.running.push(this.agent(agent));
  }

  /** So many more steps have been done. */
  async goesOn(): Promise<void> {
    const wanted = this.done.length + stepsBetween;
    await until(() => this.done.length >= wanted || this.wrong.length > 0);
    expect(this.wrong).toEqual([]);
  }

  /** Ends it, and the nodes: every step was done once, and stands in the ledger of the database. */
  async cameThrough(bank: CountingServer, postgres: string): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
    expect(this.wrong).toEqual([]);
    const paid = bank.received.filter(({ tool }) => tool === "pay").map(({ args }) => String(args["to"]));
    expect(paid.toSorted()).toEqual(this.done.toSorted());
    for (const node of this.nodes) await node.stop();
    await provenLedger({ postgres }, this.receipts);
  }

  private async agent(agent: number): Promise<void> {
    for (let n = 0; !this.isOver && this.wrong.length === 0; n++) {
      const step = `${agent}-${n}`;
      const answer = await this.paid(agent, step);
      if (answer === null) return;
      this.done.push(step);
      this.receipts.push(answer.receipt);
    }
  }

  private async paid(agent: number, step: string): Promise<Answer | null> {
    const meta = { [metaKeys.run]: `run-${agent}`, [metaKeys.step]: step };
    for (let tries = 0; tries < 2_000; tries++) {
      const node = this.nodes[(agent + tries) % this.nodes.length];
      const answer = await node?.call("bank__pay", { to: step, amount: 1 }, { meta }).catch(() => null);
      if (answer?.code === null && answer.rpcCode === null && !answer.isError) return answer;
      // A node that stops refuses, or is gone: the same step goes to another. Unknown it may not become: every node stops in order.
      if (answer?.code === "outcome-unknown") break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.wrong.push(step);
    return null;
  }

  /** One more is up before the oldest leaves, as a roll-out does it. */
  async replaceOldest(next: NodeProcess): Promise<void> {
    this.nodes.push(next);
    await this.goesOn();
    const old = this.nodes.shift();
    await old?.stop();
    await this.goesOn();
  }
}
