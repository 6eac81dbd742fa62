import type { ChildFate, ReceiptReference } from "../../contract/index.ts";
import { callerName } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { canonicalJson, newId, ok, refuse, sha256Hex } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunId, RunRecord } from "../ledger/index.ts";
import { isEnded, readRun, runById } from "../ledger/index.ts";
import type { Ended } from "./end.ts";
import { endOf } from "./end.ts";
import type { House } from "./house.ts";
import { childDepthMax, childrenMax, racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { recordedStep } from "./recorded-step.ts";
import { startRun } from "./start.ts";
import { writeStep } from "./write-step.ts";

export interface ChildWishes {
  readonly key: string;
  /** A hosted agent of the configuration. */
  readonly agent: string;
  /** Any JSON. */
  readonly input: unknown;
  /** From now on, and no later than the parent's; null = as long as its parent may take. */
  readonly deadlineMs: number | null;
  readonly atParentEnd: ChildFate;
}

export interface Child {
  readonly run: RunId;
  readonly name: string;
  /** null = it is open, or in front of a person. */
  readonly end: Ended | null;
}

export interface StartedChild extends Child {
  /** False = by this very request. */
  readonly wasRecorded: boolean;
  readonly receipt: ReceiptReference;
}

/**
 * A run that another one starts from a step of its own. The start of the child and the parent's step are one transaction, so whoever
 * comes back to the step finds the child. It acts as its parent does: same principal, same rights. What it comes to stands with the child
 * alone, whose end makes the parent due (`endingWrites`).
 */
export async function startChild(
  owner: Principal,
  speaker: Speaker,
  wishes: ChildWishes,
  house: House,
): Promise<Result<StartedChild>> {
  const { key, agent } = wishes;
  const input = JSON.stringify({ agent, input: sha256Hex(canonicalJson(wishes.input)) });
  for (let races = 0; races < racesMax; races++) {
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    const recorded = await recordedStep(run.value, { key, kind: "child", input }, house);
    if (!recorded.ok) return recorded;
    if (recorded.value !== null) {
      const { output, kind: _, ...record } = recorded.value;
      const child = await childOf(run.value, output as Recorded, house);
      return child.ok ? ok({ ...child.value, ...record }) : child;
    }
    const hosted = house.hostedOf(run.value.tenant, agent);
    if (hosted === null)
      return refuse({ code: "not-found", detail: `The configuration has no agent "${agent}".` });
    const problem = boundProblem(run.value);
    if (problem !== null) return refuse({ code: "too-many-children", detail: problem });
    if (owner.kind === "person")
      return refuse({
        code: "conflict",
        detail: "a person's run starts no others: code that the person does not see would act as that person",
      });
    if (owner.chain.length > 0)
      return refuse({
        code: "conflict",
        detail: "the run acts on behalf of somebody, and only they could have others act for them",
      });
    const given = hosted.inputOf(wishes.input);
    if (!given.ok) return given;
    const deadlineMs = wishes.deadlineMs ?? hosted.deadlineMs;
    const { atParentEnd } = wishes;
    const parent = { run: run.value, step: key, atEnd: atParentEnd };
    const name = await freeName(owner, run.value, key, house);
    const started = await startRun(owner, { ...hosted, name, input: given.value, deadlineMs, parent }, house);
    if (!started.ok) return started;
    const child: Recorded = { run: started.value.run.run, name };
    const written = await writeStep(
      owner,
      run.value,
      {
        key,
        kind: "child",
        input,
        output: JSON.stringify(child),
        note: { agent, hook: hosted.hook },
        waitsFor: null,
        change: { children: run.value.children + 1 },
        writes: started.value.writes,
      },
      house,
    );
    if (written === null) continue;
    house.onDue();
    return ok({ ...child, end: null, wasRecorded: false, receipt: written.receipt });
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}

/** How the child stands that a step has started: it was found, or started, by `startChild`. */
export async function lookAtChild(
  owner: Principal,
  speaker: Speaker,
  child: RunId,
  house: House,
): Promise<Result<{ readonly parent: RunRecord; readonly child: Child }>> {
  const run = await openRun(owner, speaker, house);
  if (!run.ok) return run;
  const found = await runById(house.store, run.value.tenant, child);
  // Also a fork has its origin's children: what counts is whose they are.
  if (found === null || found.chain.join(" ") !== run.value.chain.join(" "))
    return refuse({ code: "not-found", detail: "You have started no such run." });
  return ok({ parent: run.value, child: await viewOf(found, house) });
}

async function childOf(parent: RunRecord, { run, name }: Recorded, house: House): Promise<Result<Child>> {
  const found = await runById(house.store, parent.tenant, run);
  return found === null
    ? refuse({ code: "not-found", detail: `the run "${name}" that the step has started is gone` })
    : ok(await viewOf(found, house));
}

const viewOf = async (found: RunRecord, house: House): Promise<Child> => ({
  run: found.run,
  name: found.name,
  end: isEnded(found) ? await endOf(found, house) : null,
});

/** Why it may start no more; null = it may. */
function boundProblem({ children, parent }: RunRecord): string | null {
  if (children >= childrenMax)
    return `the run has started ${children} runs, and may start ${childrenMax}; have children start some of them`;
  if ((parent?.depth ?? 0) >= childDepthMax)
    return `there are ${childDepthMax} runs above this one, and may be no more; do this work in the run itself`;
  return null;
}

/** Of parent and step, so that people find it; something is added where it is taken or too long. */
async function freeName(owner: Principal, parent: RunRecord, key: string, house: House): Promise<string> {
  const name = `${parent.name}.${key}`;
  if (callerName.test(name) && (await readRun(house.store, owner, name)) === null) return name;
  const mark = newId("run", house.clock.wall(), house.random).slice(-12);
  return `${name.slice(0, nameCharactersMax - 1 - mark.length)}-${mark}`;
}

/** As `callerName` has it. */
const nameCharactersMax = 128;

/** The output of a step that has started a run. */
interface Recorded {
  readonly run: RunId;
  readonly name: string;
}
