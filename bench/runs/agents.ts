import { join } from "node:path";
import type { LoadReport, LoadWishes } from "./agents-programs.ts";
import type { Used } from "./child.ts";
import { Child } from "./child.ts";
import { perOperation, row } from "./machine.ts";

export interface AgentsWishes extends LoadWishes {
  readonly agents: number;
}

/** So many agents, each with a token of its own and a call now and then: what is lost, how late answers are, and whether all are served alike. */
export async function agents(workspace: (name: string) => string, wishes: AgentsWishes) {
  const directory = workspace("agents");
  const tokens = join(directory, "tokens.json");
  const bank = await Child.start("bank.ts");
  const node = await Child.start(
    "agents-programs.ts",
    "node",
    directory,
    String(bank.said),
    tokens,
    String(wishes.agents),
  );
  const driver = await Child.start("agents-programs.ts", "load", String(node.said), tokens);
  const ready = (await node.ask({})) as Used;
  const load = (await driver.ask({ ...wishes })) as LoadReport;
  const used = (await node.ask({})) as Used;
  await driver.end();
  await node.end();
  await bank.end();
  const report = { wishes, load, used, rssBeforeMiB: ready.rssMiB };
  print(report);
  return report;
}

function print({ wishes, load, used, rssBeforeMiB }: Awaited<ReturnType<typeof agents>>): void {
  const { agents: count, seconds, warmUpSeconds, everyMs } = wishes;
  console.log(
    `\n(c) ${count} agents, a call each ${everyMs / 1000} s on average, ${seconds} s, latencies after ${warmUpSeconds} s`,
  );
  row("", ["node"], "goal");
  row("calls sent, per second", [`${load.sent}, ${(load.sent / seconds).toFixed(0)}`]);
  row("lost", [String(load.lost)], "0");
  row("refused", [JSON.stringify(load.refused)]);
  const ms = ({ p50, p99, max }: LoadReport["latencyMs"]) =>
    `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(0)} ms`;
  row("latency p50 / p99 / max", [ms(load.latencyMs)], "p99 100 ms");
  row("an agent's mean p50 / p99 / max", [ms(load.meanByAgentMs)]);
  const { min, max } = load.answersByAgent;
  row("answers per agent, fairness", [`${min} to ${max}, ${load.fairness.toFixed(3)}`]);
  row("CPU per call", [perOperation(used.cpuMs, load.answered)]);
  row("RSS before, at the end", [`${rssBeforeMiB.toFixed(0)}, ${used.rssMiB.toFixed(0)} MiB`], "600 MB");
}
