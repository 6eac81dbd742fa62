import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { signalbox, until } from "./tour-node.ts";
import { chapter, expectThat, show } from "./tour-words.ts";

interface ShownRun {
  readonly state: string;
  readonly attempt: number;
  readonly steps: readonly { readonly step: string; readonly state: string }[];
  readonly end?: { readonly result?: string };
}

/** An agent that the node drives, killed in the middle of its work, and resumed in another process. */
export async function hostedChapter({ work, scratch }: { readonly work: string; readonly scratch: string }) {
  chapter("An agent is killed in the middle of its run, and resumed");
  const days = ["tuesday", "wednesday", "thursday"];
  const input = JSON.stringify({ days });
  signalbox(work, {}, "runs", "start", "clerk", "--name", "week-48", "--input", input);
  show(`$ signalbox runs start clerk --name week-48 --input '${input}'`);
  const first = join(scratch, "reports/tuesday.txt");
  await until(async () => existsSync(first) && /process \d+/.test(readFileSync(first, "utf8")));
  const writer = Number(/process (\d+)/.exec(readFileSync(first, "utf8"))?.[1]);
  process.kill(writer, "SIGKILL");
  show(`${readFileSync(first, "utf8")}\n$ kill -9 ${writer}`);

  const look = () => signalbox(work, {}, "runs", "show", "week-48", "--payload") as ShownRun;
  await until(async () => look().state !== "open");
  const run = look();
  const reports = JSON.parse(run.end?.result ?? "[]") as string[];
  expectThat(run.state === "finished" && reports.length === days.length, "the run is finished");
  expectThat(reports[0]?.includes(String(writer)) === true, "what was done before stays done");
  expectThat(reports[2]?.includes(String(writer)) === false, "another process has gone on");
  show(`Nobody started it again but the node, in another process, where it was:\n${reports.join("\n")}`);
  const inAll = run.steps.length;
  show(
    `$ signalbox runs show week-48\n${run.state}, attempt ${run.attempt}, ${inAll} steps on record, each done once`,
  );
}
