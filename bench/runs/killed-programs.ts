import { Agent, fetch as undiciFetch } from "undici";
import type { Signalbox } from "../../sdk/index.ts";
import { SignalboxError, connect } from "../../sdk/index.ts";
import { serve } from "./child.ts";
import { loadNode } from "./load-node.ts";

/**
 * What killed.ts measures: `node bench/runs/killed-programs.ts node <directory> <port> <port of the bank> <agents>`, and the agents,
 * `node bench/runs/killed-programs.ts agents <url> <tokens, with commas between>`, which outlive it.
 */
export interface Progress {
  /** Runs whose payment has been answered or not, so far. */
  readonly begun: number;
  readonly finished: number;
  /** Stopped at a call of which nobody knows whether it was carried out. */
  readonly unknown: number;
  /** Ended otherwise, by what was said. */
  readonly otherwise: Readonly<Record<string, number>>;
  /** When the first and the last run got its first answer after the kill, and when they ended; null = none has. */
  readonly resumed: Span;
  readonly ended: Span;
}

interface Span {
  readonly firstMs: number | null;
  readonly lastMs: number | null;
}

function startAgents(url: string, tokens: readonly string[]) {
  const dispatcher = new Agent({ connections: 512 });
  const over = (input: Parameters<typeof undiciFetch>[0], init?: Parameters<typeof undiciFetch>[1]) =>
    undiciFetch(input, { ...init, dispatcher });
  const boxes = tokens.map((token) => connect({ url, token, fetch: over as unknown as typeof fetch }));
  const progress = { begun: 0, finished: 0, unknown: 0, otherwise: {} as Record<string, number> };
  const nothing: Span = { firstMs: null, lastMs: null };
  let sinceMs = performance.now();
  let resumed = nothing;
  let ended = nothing;
  const since = ({ firstMs }: Span): Span => {
    const ms = performance.now() - sinceMs;
    return { firstMs: firstMs ?? ms, lastMs: ms };
  };
  const stopped = new Set<string>();
  const answered = (name: string) => {
    if (stopped.delete(name)) resumed = since(resumed);
  };
  const underWay = new Set<string>();

  const one = async (box: Signalbox, name: string): Promise<void> => {
    underWay.add(name);
    try {
      await box.run(name, async (step) => {
        const plan = await step.value<{ amount: number }>("plan", () => ({ amount: 7 }));
        answered(name);
        progress.begun++;
        await step.tool("pay", "bank__pay", { to: name, amount: plan.amount });
        answered(name);
        await step.value("note", () => "paid");
      });
      progress.finished++;
    } catch (thrown) {
      const code = thrown instanceof SignalboxError ? thrown.code : String(thrown);
      if (code === "outcome-unknown") progress.unknown++;
      else progress.otherwise[code] = (progress.otherwise[code] ?? 0) + 1;
    }
    answered(name);
    underWay.delete(name);
    ended = since(ended);
  };
  return async (asked: { readonly runs?: number; readonly isKilled?: boolean }): Promise<Progress> => {
    for (let i = 0; i < (asked.runs ?? 0); i++) void one(boxes[i % boxes.length] as Signalbox, `run-${i}`);
    if (asked.isKilled === true) {
      sinceMs = performance.now();
      resumed = ended = nothing;
      for (const name of underWay) stopped.add(name);
    }
    return { ...progress, resumed, ended };
  };
}

const [kind, where = "", port = "", bankPort = "", agents = ""] = process.argv.slice(2);
if (kind === "node") {
  const { startNode, tokensFor } = await loadNode();
  const running = await startNode({
    directory: where,
    port: Number(port),
    upstreamPort: Number(bankPort),
    toolClass: "effect",
    policies: null,
  });
  const names = Array.from({ length: Number(agents) }, (_, i) => `agent-${i}`);
  serve({ url: running.url, tokens: await tokensFor(running, names) }, async () => null);
} else {
  process.on("disconnect", () => process.exit(0));
  serve("ready", startAgents(where, port.split(",")));
}
