import { delay } from "../../base/index.ts";
import { api } from "../client.ts";
import { Quietly, exitCodes } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { cleanLine } from "../clean.ts";
import { instantText } from "../show.ts";
import type { Run, RunStep } from "./run-shape.ts";
import { stepStateText, stepText, waitText } from "./run-shape.ts";

const lookEveryMs = 1_000;
/** A run with more steps is looked at with `runs show`. */
const stepsMax = 10_000;

/** Prints each step once it is there and again when it stands otherwise, and what the run waits for, until the run ends. */
export async function tailRun(session: Session, id: string): Promise<void> {
  const client = session.api();
  const { clock } = session.terminal;
  const told = new Map<string, string>();
  for (;;) {
    // The run first: what is on record when it has ended is all there will be.
    const run = await client.get<Run>(api`/runs/${id}`);
    const { items } = await client.list<RunStep>(api`/runs/${id}/steps`, stepsMax);
    for (const step of items) {
      const state = stepStateText(step);
      if (told.get(step.step) === state) continue;
      told.set(step.step, state);
      tell(session, step, `${instantText(step.at) ?? ""}  ${step.step}  ${stepText(step)}  ${state}`);
    }
    const waits = run.waitsFor.map(({ step, signal }) => `${step} ${signal ?? ""}`).join();
    if (waits !== "" && told.get("") !== waits && !session.output.isJson)
      for (const wait of run.waitsFor) session.output.remark(cleanLine(waitText(wait)));
    told.set("", waits);
    if (run.state !== "open" && run.state !== "review") return over(session, run);
    await delay(clock, lookEveryMs);
  }
}

function over(session: Session, run: Run): void {
  const { output } = session;
  if (output.isJson) output.write(`${JSON.stringify(run)}\n`);
  else output.write(`${output.page.paint(colourOfState(run.state), run.state)}  ${run.endEntry ?? ""}\n`);
  if (run.state !== "finished") throw new Quietly(exitCodes.failed);
}

function tell({ output }: Session, step: RunStep, line: string): void {
  output.write(output.isJson ? `${JSON.stringify(step)}\n` : `${cleanLine(line)}\n`);
}
