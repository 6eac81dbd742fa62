import type { LocalStepKind } from "../../contract/index.ts";
import type { Result, StoreMs } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunId, RunRecord } from "../ledger/index.ts";
import { ownerOf } from "../ledger/index.ts";
import { stayAlive } from "./alive.ts";
import type { AttachWishes, Attached } from "./attach.ts";
import { attach } from "./attach.ts";
import { Arrivals } from "./arrivals.ts";
import type { SavedArtefact } from "./artefacts.ts";
import { readArtefact, saveArtefact } from "./artefacts.ts";
import type { RunAct } from "./dead.ts";
import { retryWrites } from "./dead.ts";
import type { Ended, Ending } from "./end.ts";
import { end, endOf } from "./end.ts";
import { awaitChild } from "./await-child.ts";
import type { Child, ChildWishes, StartedChild } from "./child.ts";
import { startChild } from "./child.ts";
import type { House } from "./house.ts";
import { KnownRuns } from "./known-runs.ts";
import type { LocalStep, StepIdentity } from "./local-step.ts";
import type { RecordedStep } from "./recorded-step.ts";
import { lookUpStep, recordStep } from "./local-step.ts";
import type { SavedSnapshot } from "./memory.ts";
import { readMemory, saveMemory } from "./memory.ts";
import type { Speaker } from "./open-run.ts";
import { ownRun } from "./open-run.ts";
import type { RestWishes } from "./rest.ts";
import { rest } from "./rest.ts";
import { resumeWrites } from "./resume.ts";
import { Turns } from "./turns.ts";
import type { Sleep, Sleeping } from "./sleep.ts";
import { sleep } from "./sleep.ts";
import type { Patience, SignalWait, Waited } from "./wait.ts";
import { waitForSignal } from "./wait.ts";
import type { Write } from "../store/index.ts";
import type { Standing } from "./waits.ts";
import { openChildren, pendingAsks, pendingWaits } from "./waits.ts";

/** The room's one object: what an agent does with a run of its own. The actor comes first, and only its own runs are found. */
export class Runs {
  private readonly house: House;
  private readonly arrivals: Arrivals;
  private readonly known = new KnownRuns();
  private readonly turns = new Turns();

  constructor(house: House) {
    this.house = house;
    this.arrivals = new Arrivals(house.clock);
  }

  /** Requests that wait are answered with how they stand. Safe to call twice. */
  stop(): void {
    this.arrivals.close();
  }

  attach(owner: Principal, name: string, wishes: AttachWishes): Promise<Result<Attached>> {
    return attach(owner, name, wishes, this.house);
  }

  alive(owner: Principal, speaker: Speaker): Promise<Result<number>> {
    return stayAlive(owner, speaker, this.house);
  }

  lookUp(
    owner: Principal,
    speaker: Speaker,
    step: StepIdentity,
  ): Promise<Result<RecordedStep<LocalStepKind> | null>> {
    return lookUpStep(owner, speaker, step, this.house);
  }

  record(owner: Principal, speaker: Speaker, step: LocalStep): Promise<Result<RecordedStep<LocalStepKind>>> {
    const record = () => recordStep(owner, speaker, step, this.known, this.house);
    return step.tokens === undefined ? record() : this.turns.inTurn(turnOf(owner, speaker), record);
  }

  sleep(owner: Principal, speaker: Speaker, step: Sleep): Promise<Result<Sleeping>> {
    return sleep(owner, speaker, step, this.house);
  }

  wait(
    owner: Principal,
    speaker: Speaker,
    step: SignalWait,
    patience: Omit<Patience, "arrivals">,
  ): Promise<Result<Waited>> {
    return waitForSignal(owner, speaker, step, { ...patience, arrivals: this.arrivals }, this.house);
  }

  saveMemory(
    owner: Principal,
    speaker: Speaker,
    slot: string,
    content: unknown,
  ): Promise<Result<SavedSnapshot>> {
    return saveMemory(owner, speaker, slot, content, this.house);
  }

  /** `digest` null = the newest. */
  readMemory(
    owner: Principal,
    name: string,
    slot: string,
    digest: string | null,
  ): ReturnType<typeof readMemory> {
    return readMemory(owner, name, slot, digest, this.house);
  }

  saveArtefact(owner: Principal, speaker: Speaker, data: Uint8Array): Promise<Result<SavedArtefact>> {
    return saveArtefact(owner, speaker, data, this.house);
  }

  readArtefact(owner: Principal, name: string, digest: string): ReturnType<typeof readArtefact> {
    return readArtefact(owner, name, digest, this.house);
  }

  startChild(owner: Principal, speaker: Speaker, wishes: ChildWishes): Promise<Result<StartedChild>> {
    const start = () => startChild(owner, speaker, wishes, this.house);
    return this.turns.inTurn(turnOf(owner, speaker), start);
  }

  awaitChild(
    owner: Principal,
    speaker: Speaker,
    child: RunId,
    patience: Omit<Patience, "arrivals">,
  ): Promise<Result<Child>> {
    return awaitChild(owner, speaker, child, { ...patience, arrivals: this.arrivals }, this.house);
  }

  rest(owner: Principal, speaker: Speaker, wishes: RestWishes): Promise<Result<void>> {
    return rest(owner, speaker, wishes, this.house);
  }

  /** What an act on a run does to whoever waits for it here, once it is durable; what ended it, also to the run that started it. */
  changed({ run, parent }: Pick<RunRecord, "run" | "parent">): void {
    this.arrivals.tell(run);
    if (parent !== null) this.arrivals.tell(parent.run);
    this.house.onDue();
  }

  async end(
    owner: Principal,
    speaker: Speaker,
    ending: Exclude<Ending, { readonly state: "cancelled" }>,
  ): Promise<Result<Ended>> {
    const ended = await end(owner, speaker, ending, this.house);
    const run = ended.ok ? await ownRun(owner, speaker.name, this.house) : null;
    if (run?.ok === true && run.value.parent !== null) this.changed(run.value);
    return ended;
  }

  /** Of the owner, in whatever state. */
  find(owner: Principal, name: string): Promise<Result<RunRecord>> {
    return ownRun(owner, name, this.house);
  }

  /** A dead run goes on where it stood. The writes are for a person's act; `changed` once they are durable. */
  retryWrites(actor: Principal, run: RunRecord, deadlineMs: number | null): Promise<Result<RunAct>> {
    return retryWrites(actor, run, deadlineMs, this.house);
  }

  /** An open run whose agent is away goes on now; likewise. */
  resumeWrites(run: RunRecord): Promise<Result<readonly Write[]>> {
    return resumeWrites(run, this.house);
  }

  /** The configuration has lost what starts the run's agent: somebody has to bring it back, or cancel or drop the run. */
  isOrphan({ state, hook }: RunRecord): boolean {
    return (state === "open" || state === "dead") && hook !== null && !this.house.hooks.has(hook);
  }

  /** What an open run stands in front of. Of its children, the first few. */
  async standing(run: RunRecord, now: StoreMs): Promise<readonly Standing[]> {
    if (run.state !== "open") return [];
    const { store, asksOf } = this.house;
    return [
      ...pendingWaits(run, now),
      ...pendingAsks(await asksOf(run.run), now),
      ...(await openChildren(run, store)),
    ];
  }

  /** What the instants of a run are measured by. */
  now(): Promise<StoreMs> {
    return this.house.store.now();
  }

  /** How it ended, or why it is dead; null = it is open, or waits in review. */
  async endOf(run: RunRecord): Promise<Ended | null> {
    return run.state === "open" || run.state === "review" ? null : endOf(run, this.house);
  }
}

/** Its run, without looking it up. */
const turnOf = (owner: Principal, { name }: Speaker): string => `${ownerOf(owner)} ${name}`;
